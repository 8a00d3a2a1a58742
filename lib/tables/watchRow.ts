import type { Observable, Subscriber } from 'rxjs'
import { type Key, keyIdentity } from '../record/key.js'
import type { Window } from '../record/record.js'
import { definitionOf } from '../task/current.js'
import type { Definition } from '../task/definition.js'
import { lookOn, type Onlooker, publishedBy, toOutside } from '../task/readers.js'
import type { Change } from './change.js'
import { rowsShown } from './rowReader.js'
import { rowKey } from './rows.js'

interface Watched<V> {
  readonly row: Key
  readonly subscribers: Set<Subscriber<V | undefined>>
}

/** Those who watch rows of a table from outside. One for all tables that have the same rows. */
class Watchers<V> implements Onlooker {
  private readonly byRow = new Map<unknown, Watched<V>>()
  private leave: (() => void) | undefined

  constructor(
    private readonly owner: Definition,
    readonly changes: Definition,
  ) {}

  add(row: Key, subscriber: Subscriber<V | undefined>): () => void {
    const present = this.present(row)
    const identity = keyIdentity(row)
    let watched = this.byRow.get(identity)
    if (watched === undefined) {
      watched = { row, subscribers: new Set() }
      this.byRow.set(identity, watched)
    }
    watched.subscribers.add(subscriber)
    this.leave ??= lookOn(this.owner, this)
    subscriber.next(present)
    return () => this.remove(identity, subscriber)
  }

  opened(shown: unknown): void {
    try {
      const rows = rowsShown<V>(shown, this.owner)
      for (const { row, subscribers } of [...this.byRow.values()]) {
        const found = rows.get(row)
        if (found !== undefined) for (const subscriber of [...subscribers]) subscriber.next(found.value)
      }
    } catch (error) {
      for (const subscriber of this.all()) subscriber.error(error)
    }
  }

  emitted(record: unknown): void {
    const { key, value, window, isLatest } = record as Change<Key, V, Window | undefined>
    if (isLatest === false) return
    const watched = this.byRow.get(keyIdentity(rowKey(key, window)))
    for (const subscriber of [...(watched?.subscribers ?? [])]) subscriber.next(value ?? undefined)
  }

  completed(): void {
    for (const subscriber of this.all()) subscriber.complete()
  }

  private present(row: Key): V | undefined {
    for (const shown of publishedBy(this.owner)) {
      const found = rowsShown<V>(shown, this.owner).get(row)
      if (found !== undefined) return found.value
    }
    return undefined
  }

  private all(): Subscriber<V | undefined>[] {
    return [...this.byRow.values()].flatMap(({ subscribers }) => [...subscribers])
  }

  private remove(identity: unknown, subscriber: Subscriber<V | undefined>): void {
    const watched = this.byRow.get(identity)
    watched?.subscribers.delete(subscriber)
    if (watched?.subscribers.size === 0) this.byRow.delete(identity)
    if (this.byRow.size > 0) return
    this.leave?.()
    this.leave = undefined
  }
}

const watchers = new WeakMap<Definition, Watchers<unknown>>()

/** A row's present value, then that of each change; undefined: there is none. */
export function watchRow<V>(
  owner: Definition,
  changes: Observable<unknown>,
  key: Key,
  window: Window | undefined,
): Observable<V | undefined> {
  return toOutside((subscriber) => {
    let all = watchers.get(owner)
    if (all === undefined) {
      all = new Watchers<unknown>(owner, definitionOf(changes) as Definition)
      watchers.set(owner, all)
    }
    return all.add(rowKey(key, window), subscriber)
  })
}
