import type { PartitionRange, RawBatch, TopicPartition } from '../../ports/broker.js'
import { TidemarkError } from '../../record/errors.js'
import type { ClientMessage, ServerMessage } from '../rules/bridgeMessages.js'
import { decodeChunk } from '../rules/chunk.js'
import type { Connection, Exchange } from './connection.js'
import { thrownError } from './thrownError.js'

/** Bytes that may be under way, or wait here, of one partition. One batch may go beyond. */
const WINDOW_BYTES = 512 << 10

export interface StreamOptions {
  readonly at: TopicPartition
  /** Null: the start of the log. */
  readonly from: number | null
  readonly to?: number
  /** The next batch. Its bytes are given back by `consumed`. */
  batch(batch: RawBatch, bytes: number): void
  /** The bridge has trouble with its broker, and goes on trying. */
  troubled(error: TidemarkError): void
  /** It is over. */
  ended(): void
  refused(error: TidemarkError, range: PartitionRange | undefined): void
}

/** The records of a partition from an offset on, each once and in order, whatever becomes of the links meanwhile. */
export class Stream implements Exchange {
  private readonly id: number
  private next: number | null
  /** Bytes that have come and aren't consumed. */
  private held = 0
  /** Bytes that are consumed, and not told yet. */
  private owed = 0
  private isOver = false

  constructor(
    private readonly connection: Connection,
    private readonly options: StreamOptions,
  ) {
    this.next = options.from
    this.id = connection.begin(this)
  }

  opening(id: number): ClientMessage {
    const { at, to } = this.options
    this.owed = 0
    const credit = Math.max(0, WINDOW_BYTES - this.held)
    return { type: 'open', id, topic: at.topic, partition: at.partition, from: this.next, to, credit }
  }

  consumed(bytes: number): void {
    this.held -= bytes
    this.owed += bytes
    if (this.isOver || this.owed < WINDOW_BYTES / 2) return
    this.connection.say({ type: 'credit', id: this.id, bytes: this.owed })
    this.owed = 0
  }

  close(): void {
    if (this.isOver) return
    this.over()
    this.connection.say({ type: 'close', id: this.id })
  }

  heard(message: ServerMessage, body: Uint8Array | undefined): void {
    switch (message.type) {
      case 'batch':
        this.take(message.from, message.end, body)
        break
      case 'trouble':
        this.options.troubled(thrownError(message.error))
        break
      case 'end':
        this.over()
        this.options.ended()
        break
      case 'refused':
        this.over()
        this.options.refused(thrownError(message.error), message.range)
    }
  }

  failed(error: TidemarkError): void {
    this.isOver = true
    this.options.refused(error, undefined)
  }

  private take(from: number, end: number, body: Uint8Array | undefined): void {
    if (!body || (this.next !== null && from !== this.next))
      throw new TidemarkError(
        'BAD_STATE',
        `a batch from offset ${from} came where ${this.next} was due`,
        this.options.at,
      )
    const { records, nextOffset } = decodeChunk(body)
    const { topic, partition } = this.options.at
    this.next = nextOffset
    this.held += body.length
    const batch = { topic, partition, records, nextOffset, endOffset: Math.max(end, nextOffset) }
    this.options.batch(batch, body.length)
  }

  private over(): void {
    this.isOver = true
    this.connection.end(this.id)
  }
}
