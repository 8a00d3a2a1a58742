import type { StoreEntry } from '../ports/store.js'
import type { Frame, TaskEntries } from './frame.js'

/** By task; a later entry of one key counts. */
export type Changes = ReadonlyMap<string, readonly StoreEntry[]>

/** How all tasks stood after so many records. */
interface Checkpoint {
  readonly index: number
  readonly frame: Frame
  /** What has changed in states since the checkpoint before, by task. */
  changes: Map<string, Map<string, Uint8Array | null>>
  bytes: number
}

/** About what an entry takes besides its bytes. */
const AROUND_ENTRY = 100
/** Records between two checkpoints, at least. */
const MIN_DISTANCE = 100
/** So many are kept; of more, one goes whose neighbours are close. */
const MAX_COUNT = 64

/**
 * The checkpoints of a replay, each as what has changed since the one before. There are at most 64, spread evenly, and at most so many bytes of them, as long as there are
 * two: so a seek replays at most about a 32nd of what has been replayed, or 100 records.
 */
export class ReplayCheckpoints {
  private readonly all: Checkpoint[] = []
  bytes = 0
  /** What tasks call changed has changed since this one, or since the beginning. It stays. */
  base = 0

  constructor(private readonly maxBytes: number) {}

  get count(): number {
    return this.all.length
  }

  /** How many records have been handled at the last one. */
  get last(): number {
    return this.all.at(-1)?.index ?? 0
  }

  /** The last one at or before a place; undefined: that is where the recording begins. */
  before(index: number): number | undefined {
    return this.all.findLast((checkpoint) => checkpoint.index <= index)?.index
  }

  /** Whether it is time for one. */
  isDue(index: number): boolean {
    const distance = Math.max(MIN_DISTANCE, index / (MAX_COUNT / 2))
    return index - this.last >= distance
  }

  /** @param changes since `base`, which it is from now on */
  add(index: number, frame: Frame, changes: Changes): void {
    this.base = index
    const place = this.all.findIndex((other) => other.index >= index)
    if (this.all[place]?.index === index) return
    const gathered = new Map([...changes].map(([task, entries]) => [task, new Map(entries)]))
    const checkpoint: Checkpoint = { index, frame, changes: gathered, bytes: bytesOf(gathered) }
    this.all.splice(place < 0 ? this.all.length : place, 0, checkpoint)
    this.bytes += checkpoint.bytes
    while (this.all.length > MAX_COUNT || (this.bytes > this.maxBytes && this.all.length > 2)) this.dropOne()
  }

  /** What is needed to go on at one of them. */
  at(index: number): { readonly frame: Frame; readonly entries: TaskEntries } {
    const { frame } = this.all.find((checkpoint) => checkpoint.index === index) as Checkpoint
    return { frame, entries: this.entries(index) }
  }

  /** The entries of states at one of them, and what `further` has changed. */
  entries(index: number, further?: Changes): TaskEntries {
    const entries = new Map<string, Map<string, Uint8Array>>()
    const take = (changes: ReadonlyMap<string, Iterable<StoreEntry>>) => {
      for (const [task, changed] of changes) {
        let own = entries.get(task)
        if (own === undefined) {
          own = new Map()
          entries.set(task, own)
        }
        for (const [key, value] of changed) {
          if (value === null) own.delete(key)
          else own.set(key, value)
        }
      }
    }
    for (const checkpoint of this.all) if (checkpoint.index <= index) take(checkpoint.changes)
    if (further !== undefined) take(further)
    return entries
  }

  /** One whose neighbours are the closest to each other; never the last, or `base`. */
  private dropOne(): void {
    let least = Number.POSITIVE_INFINITY
    let found = 0
    for (let n = 0; n < this.all.length - 1; n++) {
      const gap = (this.all[n + 1] as Checkpoint).index - (this.all[n - 1]?.index ?? 0)
      if (gap >= least || this.all[n]?.index === this.base) continue
      least = gap
      found = n
    }
    const [gone] = this.all.splice(found, 1) as [Checkpoint]
    const next = this.all[found] as Checkpoint
    this.bytes -= gone.bytes + next.bytes
    for (const [task, changed] of next.changes) {
      const own = gone.changes.get(task)
      if (own === undefined) gone.changes.set(task, changed)
      else for (const [key, value] of changed) own.set(key, value)
    }
    next.changes = gone.changes
    next.bytes = bytesOf(next.changes)
    this.bytes += next.bytes
  }
}

function bytesOf(changes: Checkpoint['changes']): number {
  let bytes = 0
  for (const changed of changes.values())
    for (const [key, value] of changed) bytes += AROUND_ENTRY + 2 * key.length + (value?.length ?? 0)
  return bytes
}
