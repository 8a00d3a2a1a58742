import type { Key } from '../record/key.js'
import type { Firing, OperatorContext, Waiting } from '../task/definition.js'
import type { SeriesCell, SeriesState } from '../task/seriesState.js'
import type { Cell, CellState } from '../task/state.js'
import type { JoinTime } from './joinTime.js'

export interface SideOptions {
  /** How far after a record of this side the other's may lie, in ms. */
  readonly aheadMs: number
  /** How long it is kept: before + after + grace, in ms. */
  readonly retentionMs: number
  readonly graceMs: number
  /** Its records come out without a match too. */
  readonly isPreserved: boolean
}

/** One side of a stream-stream join: its records, and those of them that have met none of the other side's. */
export class JoinSide implements Firing {
  readonly records: SeriesState<unknown>
  readonly lonely: SeriesState<unknown> | undefined
  readonly aheadMs: number
  private readonly newest: Cell<number>

  constructor(
    private readonly context: OperatorContext<never>,
    private readonly time: JoinTime,
    private readonly times: CellState<string, number>,
    name: 'left' | 'right',
    private readonly options: SideOptions,
  ) {
    this.aheadMs = options.aheadMs
    this.records = context.series(name)
    this.lonely = options.isPreserved ? context.series(`${name}-lonely`) : undefined
    this.newest = times.cell(name) ?? times.insert(name, Number.NEGATIVE_INFINITY, 0)
  }

  get isPreserved(): boolean {
    return this.lonely !== undefined
  }

  /**
   * Whether the side has let go of its records with that timestamp: where a watermark rules, when no record can match them any more; otherwise by
   * Kafka Streams' rule, when a record of this side is newer by the retention.
   */
  private isGone(timestamp: number): boolean {
    const { retentionMs, aheadMs, graceMs } = this.options
    if (this.context.hasWatermark) return timestamp + aheadMs + graceMs < this.time.now
    return timestamp <= Math.min(this.newest.value, this.time.now) - retentionMs
  }

  /** The records of a key from one timestamp to another, both included, by timestamp, then arrival. */
  *between(key: Key, from: number, to: number): IterableIterator<{ readonly at: number; readonly value: unknown }> {
    for (const cell of this.records.between(key, from, to)) if (!this.isGone(cell.at)) yield cell
  }

  /** Takes note of a record, whether or not it is kept. @returns false if it is too old to be */
  see(timestamp: number): boolean {
    if (this.isGone(timestamp)) return false
    if (timestamp > this.newest.value && !this.context.hasWatermark) {
      this.newest.value = timestamp
      this.times.touch(this.newest)
    }
    return true
  }

  /** Records of that key and timestamp have met one of the other side's. */
  hasMet(key: Key, timestamp: number): void {
    if (this.lonely === undefined) return
    for (const cell of this.lonely.between(key, timestamp, timestamp)) this.lonely.remove(cell)
  }

  get firstLonely(): SeriesCell<unknown> | undefined {
    return this.lonely?.first()
  }

  takeLonely(): SeriesCell<unknown> {
    const cell = this.firstLonely as SeriesCell<unknown>
    this.lonely?.remove(cell)
    return cell
  }

  /** When the first of its lonely records comes out. */
  lonelyDue(): number {
    return this.lastMatch(this.firstLonely) + 1
  }

  /** Its lonely records of a key, for whoever asks why nothing comes out. */
  waitingOf(key: Key): Waiting[] {
    const cells = this.lonely?.of(key) ?? []
    return cells.map((cell) => ({ what: 'unmatched record', timestamp: cell.at, until: this.lastMatch(cell) + 1 }))
  }

  /** Where a watermark rules: when the first of its records can be freed. */
  due(): number {
    return this.lastMatch(this.records.first()) + 1
  }

  fireNext(): void {
    this.free()
  }

  private lastMatch(cell: SeriesCell<unknown> | undefined): number {
    return cell === undefined ? Number.POSITIVE_INFINITY : cell.at + this.options.aheadMs + this.options.graceMs
  }

  /** Frees all records that are gone. */
  free(): void {
    for (let first = this.records.first(); first !== undefined && this.isGone(first.at); first = this.records.first())
      this.records.remove(first)
  }
}
