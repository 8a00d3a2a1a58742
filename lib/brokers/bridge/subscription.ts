import type { PartitionRange, TopicPartition } from '../../ports/broker.js'
import { TidemarkError } from '../../record/errors.js'
import type { OpenMessage, ServerMessage } from '../rules/bridgeMessages.js'
import type { Piece } from './partitionFeed.js'
import { wireError } from './wireError.js'

/** What is sent to a client goes through here. */
export interface Outlet {
  send(message: ServerMessage, body?: Uint8Array): void
  /** Whether records have to wait: the client is slow. */
  readonly isFull: boolean
}

/** One client's reading of one partition: where it is, and how much the client can take. */
export class Subscription implements TopicPartition {
  readonly id: number
  readonly topic: string
  readonly partition: number
  /** The end of the stretch; infinite where it goes on for ever. */
  readonly to: number
  /** Offset of the next record to send. */
  position = 0
  private credit: number
  private isTroubled = false

  constructor(
    private readonly outlet: Outlet,
    { id, topic, partition, to = Number.POSITIVE_INFINITY, credit }: OpenMessage,
    /** It is over. */
    private readonly over: (subscription: Subscription) => void,
  ) {
    this.id = id
    this.topic = topic
    this.partition = partition
    this.to = to
    this.credit = credit
  }

  get wants(): boolean {
    return this.credit > 0 && !this.outlet.isFull
  }

  grant(bytes: number): void {
    this.credit += bytes
  }

  send({ from, next, body }: Piece, end: number): void {
    this.credit -= body.length
    this.position = next
    this.isTroubled = false
    this.outlet.send({ type: 'batch', id: this.id, from, end }, body)
    if (next >= this.to) this.end({ type: 'end', id: this.id })
  }

  end(last: ServerMessage): void {
    this.over(this)
    this.outlet.send(last)
  }

  /** The broker fails; said once, until it brings something again. */
  troubled(error: unknown): void {
    if (this.isTroubled) return
    this.isTroubled = true
    this.outlet.send({ type: 'trouble', id: this.id, error: wireError(error, this) })
  }

  refuse(error: unknown): void {
    this.end({ type: 'refused', id: this.id, error: wireError(error, this) })
  }

  outOfRange(range: PartitionRange, offset = this.position): void {
    const text = `offset ${offset} was asked for, but the log holds ${range.start} to ${range.end}`
    const error = wireError(new TidemarkError('OFFSET_OUT_OF_RANGE', text, { offset }), this)
    this.end({ type: 'refused', id: this.id, error, range })
  }
}
