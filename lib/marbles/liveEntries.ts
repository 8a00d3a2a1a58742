import { keyText } from '../record/key.js'
import type { TracedState } from '../task/traceEvent.js'

type Entries = Map<string, TracedState>

/** The live entries of a state, the last changed last; of its changes so many are kept that one can go back. */
export class LiveEntries {
  private entries: Entries = new Map()
  /** As they were before the changes that are kept. */
  private base: Entries = new Map()
  private baseId = 0
  private changes: TracedState[] = []
  /** It has gone back behind the changes that are kept: these had changed since, and what they were is not known. */
  private readonly missing = new Set<string>()

  /** @param keep changes, at least */
  constructor(private readonly keep: number) {}

  get all(): ReadonlyMap<string, TracedState> {
    return this.entries
  }

  /** Entries are missing, until they are told of again. */
  get isPartial(): boolean {
    return this.missing.size > 0
  }

  /** Id of the last change. */
  get last(): number {
    return this.changes.at(-1)?.id ?? this.baseId
  }

  add(event: TracedState): void {
    take(this.entries, event)
    this.missing.delete(nameOf(event))
    this.changes.push(event)
    if (this.changes.length <= this.keep * 2) return
    for (const gone of this.changes.splice(0, this.keep)) {
      take(this.base, gone)
      this.baseId = gone.id
    }
  }

  /** Forgets all that was told after that event. */
  truncate(id: number): void {
    if (id < this.baseId) {
      this.baseId = id
      for (const [name, event] of this.base) {
        if (event.id <= id) continue
        this.base.delete(name)
        this.missing.add(name)
      }
    }
    this.changes = this.changes.filter((event) => event.id <= id)
    this.entries = new Map(this.base)
    for (const event of this.changes) take(this.entries, event)
  }
}

function take(entries: Entries, event: TracedState): void {
  const name = nameOf(event)
  entries.delete(name)
  if (!event.isDeleted) entries.set(name, event)
}

/** A key may have entries in several tasks. */
const nameOf = ({ task, window, at, key }: TracedState) =>
  `${task}/${window?.start ?? at ?? ''}/${window?.end ?? ''}/${keyText(key)}`
