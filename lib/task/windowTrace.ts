import { type Key, keyText } from '../record/key.js'
import type { Window } from '../record/record.js'
import type { TracedWindow } from './traceEvent.js'

interface Known {
  readonly key: Key
  readonly window: Window
  event: number
  count: number | undefined
  isClosed: boolean
  /** Closed, and kept for readers or sessions that a late record joins. */
  isKept: boolean
}

/** The record that is being handled. */
interface Handled {
  readonly event: number
  readonly timestamp: number
}

/** Of sliding windows: a key's records, as a new window may begin with those of its neighbours. */
interface Recent {
  timestamps: number[]
  /** No window ends after it that holds one of them. */
  lastEnd: number
}

export type WindowChange = Pick<TracedWindow, 'change' | 'key' | 'window' | 'count' | 'was'>

/** What becomes of the windows of an aggregate, found out from what becomes of its state. */
export class WindowTrace {
  private readonly known = new Map<string, Known>()
  /** Taken out while a record is handled: a session that replaces them may follow. */
  private taken: Known[] = []
  /** Closed by time, and still to come out. */
  private closed: Known[] = []
  private readonly recent = new Map<string, Recent>()
  private lastRecord: number | undefined
  /** Nothing is due to be closed or let go of before the close of a window that ends then. */
  private firstEnd = Number.POSITIVE_INFINITY

  constructor(
    private readonly kind: string,
    private readonly closesAfterMs: number,
    private readonly tell: (change: WindowChange) => number,
  ) {}

  /** How many windows, and keys of sliding ones, are remembered. */
  get size(): number {
    return this.known.size + this.recent.size
  }

  /** The last event of a key's window. */
  eventOf(key: Key, window: Window): number | undefined {
    return this.known.get(textOf(key, window))?.event
  }

  restored(key: Key, window: Window): void {
    this.set(key, window, 'restored', undefined, [])
  }

  /** A record has changed what a window holds. */
  changed(key: Key, window: Window, record: Handled | undefined): void {
    if (record !== undefined) this.note(key, window, record)
    const same = this.known.get(textOf(key, window))
    if (same !== undefined && !this.taken.includes(same)) {
      this.set(key, window, 'updated', this.countOf(key, window, [same]), [same])
      return
    }
    const before = this.taken.filter(
      (other) =>
        other.window.start >= window.start && other.window.end <= window.end && keyText(other.key) === keyText(key),
    )
    for (const other of before) this.forget(other)
    this.taken = this.taken.filter((other) => !before.includes(other))
    const change = before.length === 0 ? 'opened' : before.length === 1 ? 'updated' : 'merged'
    this.set(key, window, change, this.countOf(key, window, before), before)
  }

  /** What a window held has been taken out of the state. */
  removed(key: Key, window: Window, record: Handled | undefined): void {
    const known = this.known.get(textOf(key, window))
    if (known === undefined) return
    if (known.isClosed) this.forget(known)
    else if (record !== undefined && this.kind !== 'countWindow') this.taken.push(known)
    else {
      this.close(known)
      this.closed.push(known)
    }
  }

  /** Time is this far, and all that was due has come out: what is in the state all the same is only kept to be read. */
  closeUntil(time: number): void {
    if (!(this.firstEnd + this.closesAfterMs <= time)) return
    this.firstEnd = Number.POSITIVE_INFINITY
    // What isn't over says when to look again.
    const isOver = (end: number) => {
      if (end + this.closesAfterMs <= time) return true
      this.firstEnd = Math.min(this.firstEnd, end)
      return false
    }
    for (const known of this.known.values()) if (!known.isClosed && isOver(known.window.end)) this.close(known)
    for (const [key, { lastEnd }] of this.recent) if (isOver(lastEnd)) this.recent.delete(key)
  }

  /** It is kept after its close. */
  kept(key: Key, window: Window): void {
    const known = this.known.get(textOf(key, window))
    if (known !== undefined) known.isKept = true
  }

  /** It isn't any more. */
  freed(key: Key, window: Window, record: Handled | undefined): void {
    const known = this.known.get(textOf(key, window))
    if (known === undefined) return
    if (record === undefined) this.forget(known)
    else this.taken.push(known)
  }

  /** A record has been handled. */
  handled(): void {
    for (const known of this.taken) {
      this.end(known, 'gone')
      this.forget(known)
    }
    this.taken = []
  }

  /** What was due has come out. */
  settled(): void {
    for (const known of this.closed) if (!known.isKept) this.forget(known)
    this.closed = []
  }

  private set(
    key: Key,
    window: Window,
    change: WindowChange['change'],
    count: number | undefined,
    before: readonly Known[],
  ): void {
    this.firstEnd = Math.min(this.firstEnd, window.end)
    const event = this.tell({ change, key, window, count, was: before.map((other) => other.event) })
    this.known.set(textOf(key, window), { key, window, event, count, isClosed: false, isKept: false })
  }

  private close(known: Known): void {
    known.isClosed = true
    this.end(known, 'closed')
  }

  private end(known: Known, change: 'closed' | 'gone'): void {
    const { key, window, count, event } = known
    known.event = this.tell({ change, key, window, count, was: [event] })
    const recent = this.recent.get(keyText(key))
    if (recent === undefined) return
    // Windows that may still open begin no earlier.
    recent.timestamps = recent.timestamps.filter((timestamp) => timestamp >= window.start)
    if (recent.timestamps.length === 0) this.recent.delete(keyText(key))
  }

  private forget(known: Known): void {
    const text = textOf(known.key, known.window)
    if (this.known.get(text) === known) this.known.delete(text)
  }

  private note(key: Key, { start, end }: Window, { event, timestamp }: Handled): void {
    if (this.kind !== 'slidingWindow' || this.lastRecord === event) return
    this.lastRecord = event
    const text = keyText(key)
    const lastEnd = timestamp + end - start
    const recent = this.recent.get(text)
    if (recent === undefined) this.recent.set(text, { timestamps: [timestamp], lastEnd })
    else {
      recent.timestamps.push(timestamp)
      recent.lastEnd = Math.max(recent.lastEnd, lastEnd)
    }
  }

  private countOf(key: Key, { start, end }: Window, before: readonly Known[]): number | undefined {
    if (this.kind === 'slidingWindow')
      return this.recent.get(keyText(key))?.timestamps.filter((timestamp) => start <= timestamp && timestamp < end)
        .length
    let count: number | undefined = 1
    for (const other of before)
      count = count === undefined || other.count === undefined ? undefined : count + other.count
    return count
  }
}

const textOf = (key: Key, { start, end }: Window) => `${start}/${end}/${keyText(key)}`
