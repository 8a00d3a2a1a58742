import type { MonoTypeOperatorFunction } from 'rxjs'
import { type Duration, durationMs } from '../record/duration.js'
import type { StreamRecord } from '../record/record.js'
import { type RecordJson, recordFromJson, recordToJson } from '../record/recordJson.js'
import { wholeNumber } from '../record/wholeNumber.js'
import type { Handlers, OperatorContext } from '../task/definition.js'
import { Heap } from '../task/heap.js'
import { operate } from '../task/operate.js'
import type { CellState } from '../task/state.js'

export interface RateLimitOptions {
  /** So many pass in any span of `per`. */
  readonly records: number
  /** A span of the wall clock. */
  readonly per: Duration
  /** While so many wait, the task reads no further. Default 1,000. */
  readonly maxWaiting?: number
  /** Names the state: the records that wait. A must where the app's store is durable. */
  readonly name?: string
}

/**
 * Lets at most so many records pass in any span of the wall clock; the others wait their turn.
 *
 * ```
 * rateLimit({ records: 2, per: '10ms' })     a column is 1 ms
 * in   abcd-----------e-|
 * out  ab--------cd--------(e|)
 * ```
 *
 * The i-th record passes when it is there, the one before has passed, and `per` has gone since the (i - records)-th passed. Order stays, and nothing is lost: records that
 * wait are state, as are the moments at which the last `records` passed, so a restart goes on where the checkpoint was. When `maxWaiting` wait, the task's
 * reading stops (back-pressure); outside an app, where a source can't be stopped, they queue. What follows sees no time beyond the earliest record
 * that waits. On completion what waits comes out first, at its pace; an error doesn't wait.
 * The limit is one task's, over all keys: over n partitions n times as many pass. After a crash what had passed since the last checkpoint passes again.
 *
 * @throws TidemarkError `BAD_OPTION`, `BAD_DURATION`; at planning `UNNAMED_STATE`
 */
export function rateLimit<R extends StreamRecord<any, any>>(options: RateLimitOptions): MonoTypeOperatorFunction<R> {
  const records = wholeNumber(options.records, 'rateLimit: records', 1)
  const perMs = durationMs(options.per, 'rateLimit: per', 1)
  const maxWaiting = wholeNumber(options.maxWaiting ?? 1_000, 'rateLimit: maxWaiting', 1)
  return operate<R, R>('rateLimit', (context) => new Turns<R>(context, records, perMs, maxWaiting), {
    ...(options.name !== undefined && { name: options.name }),
    keyed: false,
  })
}

/** So many pass before others of the task get their turn. */
const SLICE = 64

class Turns<R extends StreamRecord<any, any>> implements Handlers<R> {
  /** Records that wait, by number; numbers have no gaps. */
  private readonly state: CellState<number, RecordJson>
  private readonly line = new Map<number, R>()
  private first = 0
  /** The smallest timestamp on top. Beneath it may be some that have gone: with a number before `first`. */
  private readonly earliest = new Heap<{ readonly id: number; readonly timestamp: number }>(
    (a, b) => a.timestamp - b.timestamp,
  )
  /** When the last ones passed (wall clock, ms), by place in a ring. */
  private readonly passed: CellState<number, number>
  private readonly times: number[]
  private oldest: number
  private isScheduled = false
  private isEnding = false
  private isClosed = false
  private cancel = () => {}

  constructor(
    private readonly context: OperatorContext<R>,
    private readonly records: number,
    private readonly perMs: number,
    private readonly maxWaiting: number,
  ) {
    this.state = context.cells()
    this.passed = context.cells('passed')
    this.times = this.restoreTimes()
    this.oldest = this.times.length % records
    const restored = [...this.state.entries()].sort(([a], [b]) => a - b)
    this.first = restored[0]?.[0] ?? 0
    for (const [id, json] of restored) this.add(id, recordFromJson(json) as R)
    this.schedule()
  }

  /** The limit may be another one than before: what doesn't fit is forgotten, from the oldest. */
  private restoreTimes(): number[] {
    const times = [...this.passed.entries()].map(([, time]) => time).sort((a, b) => a - b)
    for (const [place] of [...this.passed.entries()]) this.passed.delete(place)
    const kept = times.slice(-this.records)
    kept.forEach((time, place) => {
      this.passed.put(place, time)
    })
    return kept
  }

  record(record: R): void {
    this.context.accept(record.timestamp)
    if (this.line.size === 0 && this.waitMs() === 0) {
      this.pass(record)
      return
    }
    const id = this.first + this.line.size
    this.add(id, record)
    this.state.put(id, recordToJson(record))
    this.schedule()
  }

  holds(time: number): number {
    return Math.min(time, this.earliest.peek()?.timestamp ?? time)
  }

  complete(): boolean {
    this.isEnding = this.line.size > 0
    return this.isEnding
  }

  close(): void {
    this.isClosed = true
    this.cancel()
  }

  private add(id: number, record: R): void {
    this.line.set(id, record)
    this.earliest.push({ id, timestamp: record.timestamp })
    this.context.block(this.line.size >= this.maxWaiting)
  }

  /** Until the next one may pass. */
  private waitMs(): number {
    if (this.times.length < this.records) return 0
    const now = this.context.clock.now()
    // A clock that was put back doesn't make anyone wait longer than a span.
    const oldest = Math.min(this.times[this.oldest] as number, now)
    this.times[this.oldest] = oldest
    return Math.max(0, oldest + this.perMs - now)
  }

  private pass(record: R): void {
    const now = this.context.clock.now()
    this.times[this.oldest] = now
    this.passed.put(this.oldest, now)
    this.oldest = (this.oldest + 1) % this.records
    this.context.emit(record)
  }

  private schedule(): void {
    if (this.isScheduled || this.line.size === 0) return
    this.isScheduled = true
    const run = () => {
      if (!this.isClosed) this.context.later(() => this.passWaiting())
    }
    const waitMs = this.waitMs()
    if (waitMs === 0) this.context.clock.soon(run)
    else this.cancel = this.context.clock.after(waitMs, run)
  }

  private passWaiting(): void {
    this.isScheduled = false
    for (let n = 0; n < SLICE && this.line.size > 0 && this.waitMs() === 0; n++) {
      // Held until it is out, so that nothing behind it sees a time past it.
      this.pass(this.line.get(this.first) as R)
      this.line.delete(this.first)
      this.state.delete(this.first)
      this.first++
      while ((this.earliest.peek()?.id ?? this.first) < this.first) this.earliest.pop()
    }
    this.context.block(this.line.size >= this.maxWaiting)
    if (this.isEnding && this.line.size === 0) this.context.finish()
    else this.schedule()
  }
}
