import { type Changes, mergeInto } from './changes.js'
import type { Frame, TaskEntries } from './frame.js'

/** How all tasks stood after so many records. */
interface Checkpoint {
  readonly index: number
  readonly frame: Frame
  /** Since the checkpoint before. */
  changes: Changes
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
  private all: Checkpoint[] = []
  bytes = 0
  /** What tasks call changed has changed since this one, or since the beginning. It stays. */
  base = 0

  constructor(private readonly maxBytes: number) {}

  get count(): number {
    return this.all.length
  }

  clear(): void {
    this.all = []
    this.bytes = 0
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

  /** @param changes since `base`, which it is from now on; they are its own now */
  add(index: number, frame: Frame, changes: Changes): void {
    this.base = index
    const place = this.all.findIndex((other) => other.index >= index)
    if (this.all[place]?.index === index) return
    const checkpoint: Checkpoint = { index, frame, changes, bytes: bytesOf(changes) }
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
    const all: Changes = new Map()
    for (const { index: at, changes } of this.all) if (at <= index) mergeInto(all, changes)
    if (further !== undefined) mergeInto(all, further)
    return new Map([...all].map(([task, entries]) => [task, [...entries].filter(isThere)]))
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
    mergeInto(gone.changes, next.changes)
    next.changes = gone.changes
    next.bytes = bytesOf(next.changes)
    this.bytes += next.bytes
  }
}

const isThere = (entry: [string, Uint8Array | null]): entry is [string, Uint8Array] => entry[1] !== null

function bytesOf(changes: Changes): number {
  let bytes = 0
  for (const changed of changes.values())
    for (const [key, value] of changed) bytes += AROUND_ENTRY + 2 * key.length + (value?.length ?? 0)
  return bytes
}
