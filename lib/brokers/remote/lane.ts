import type { PartitionRange, RawBatch, TopicPartition } from '../../ports/broker.js'
import type { TidemarkError } from '../../record/errors.js'
import type { Connection } from './connection.js'
import { Stream } from './stream.js'

/** Before a partition is asked for again that the bridge couldn't serve. */
const PAUSE_MS = 1_000

/** What the bridge may be able to do a little later. */
const PASSING: ReadonlySet<string> = new Set(['BROKER_UNAVAILABLE', 'UNKNOWN_TOPIC'])

export interface LaneOptions {
  /** Something has come that can be handed over. */
  arrived(lane: Lane): void
  error(error: TidemarkError, fatal: boolean): void
}

/** An assigned partition: where its reader is, and what has come and isn't handed over yet. */
export class Lane {
  private readonly waiting: { readonly batch: RawBatch; consumed(): void }[] = []
  private stream: Stream | undefined
  private retry: ReturnType<typeof setTimeout> | undefined
  private isClosed = false

  constructor(
    private readonly connection: Connection,
    readonly at: TopicPartition,
    /** Where what comes next begins. Null: at the start of the log. */
    private from: number | null,
    private readonly options: LaneOptions,
  ) {}

  /** The next batch to hand over; reading begins with the first call. */
  take(): RawBatch | undefined {
    if (this.isClosed) return undefined
    if (!this.stream && this.retry === undefined) this.open()
    const next = this.waiting.shift()
    next?.consumed()
    return next?.batch
  }

  close(): void {
    this.isClosed = true
    clearTimeout(this.retry)
    this.stream?.close()
  }

  private open(): void {
    this.retry = undefined
    const stream: Stream = new Stream(this.connection, {
      at: this.at,
      from: this.from,
      batch: (batch, bytes) => {
        this.from = batch.nextOffset
        this.waiting.push({ batch, consumed: () => stream.consumed(bytes) })
        this.options.arrived(this)
      },
      troubled: (error) => this.options.error(error, false),
      ended() {},
      refused: (error, range) => this.refused(error, range),
    })
    this.stream = stream
  }

  private refused(error: TidemarkError, range: PartitionRange | undefined): void {
    this.stream = undefined
    if (range) {
      // The log doesn't hold the position (any more): that is said, and it goes on where the log starts.
      this.from = null
      this.options.error(error, false)
      if (!this.isClosed) this.open()
    } else if (PASSING.has(error.code)) {
      this.options.error(error, false)
      if (!this.isClosed) this.retry = setTimeout(() => this.open(), PAUSE_MS)
    } else this.options.error(error, true)
  }
}
