import type { StoreAdapter, StoreChanges, StoreEntry } from '../../ports/store.js'

/** One thing that happens to the broker, all of it or nothing. */
export interface Write {
  /** Says what to store; throws to refuse, before it has said anything. */
  stage(changes: Changes): void
  /** Makes it visible, once stored. */
  apply(): void
  /** Takes back what `stage` reserved, if storing failed. */
  undo?(): void
}

/** The changes of one store commit, gathered by scope. */
export class Changes {
  private readonly all: { scope: string; entries: readonly StoreEntry[]; reset?: boolean }[] = []
  private readonly open = new Map<string, StoreEntry[]>()

  put(scope: string, key: string, value: Uint8Array | null): void {
    let entries = this.open.get(scope)
    if (!entries) {
      entries = []
      this.open.set(scope, entries)
      this.all.push({ scope, entries })
    }
    entries.push([key, value])
  }

  /** Adds changes as they are; what is put afterwards comes after them. */
  add(changes: readonly StoreChanges[]): void {
    this.open.clear()
    this.all.push(...changes)
  }

  list(): readonly StoreChanges[] {
    return this.all
  }
}

/** Puts writes into one order; those that come while a store commit runs share the next one. */
export class Journal {
  private waiting: { write: Write; resolve: () => void; reject: (error: unknown) => void }[] = []
  private flushing: Promise<void> | undefined

  constructor(private readonly store: StoreAdapter | undefined) {}

  /** Resolves when the write is stored and visible. Without a store that is at once. */
  write(write: Write): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.store) {
        this.waiting.push({ write, resolve, reject })
        this.flushing ??= this.flush(this.store)
      } else {
        write.stage(new Changes())
        write.apply()
        resolve()
      }
    })
  }

  /** Resolves when all that was written before has been stored, or has failed. */
  barrier(): Promise<void> {
    return this.write({ stage() {}, apply() {} })
  }

  private async flush(store: StoreAdapter): Promise<void> {
    await null
    while (this.waiting.length > 0) {
      const changes = new Changes()
      const staged = this.waiting.splice(0).filter(({ write, reject }) => {
        try {
          write.stage(changes)
          return true
        } catch (error) {
          reject(error)
          return false
        }
      })
      try {
        const list = changes.list()
        if (list.length > 0) await store.commit(list)
        for (const { write, resolve } of staged) {
          write.apply()
          resolve()
        }
      } catch (error) {
        for (const { write, reject } of staged) {
          write.undo?.()
          reject(error)
        }
      }
    }
    this.flushing = undefined
  }
}
