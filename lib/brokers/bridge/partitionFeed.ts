import type { Broker, PartitionRange, RawBatch, RawRecord, TopicPartition } from '../../ports/broker.js'
import { encodeChunk } from '../rules/chunk.js'
import type { Subscription } from './subscription.js'

/** Consecutive records as they are sent. */
export interface Piece {
  readonly from: number
  readonly next: number
  readonly body: Uint8Array
}

/** Bytes of keys, values and headers in one piece, unless a single record has more. */
const PIECE_BYTES = 128 << 10
/** Bytes of pieces kept for others who come by the same place. */
const KEPT_BYTES = 1 << 20

export interface PartitionFeedHost {
  readonly broker: Broker
  /** Looks for the end of the log again, as somebody waits there. */
  watch(): void
  failed(error: unknown): void
  succeeded(): void
}

/**
 * Reads one partition for all who have subscribed to it. Those who are at the same place, as all are that have caught up, share one read and its
 * encoding. One read runs at a time, for each reader in turn, and only for those who have credit and a network that takes what is sent.
 */
export class PartitionFeed {
  private readonly subscriptions = new Set<Subscription>()
  private readonly pieces = new Map<number, Piece>()
  /** As last told. What reads tell isn't taken for it: an answer that was on its way then would look like another log. */
  range: PartitionRange | undefined
  private isReading = false
  /** The last read failed: the next is tried when the broker has told the range again. */
  private isStuck = false
  /** Bytes of the pieces that are kept. */
  bytes = 0

  constructor(
    private readonly host: PartitionFeedHost,
    private readonly at: TopicPartition,
  ) {}

  get size(): number {
    return this.subscriptions.size
  }

  /** Whether somebody waits for the log to grow, or for a read to succeed. */
  get isAwaited(): boolean {
    const { end = 0 } = this.range ?? {}
    return [...this.subscriptions].some((one) => one.wants && (this.isStuck || one.position >= end))
  }

  add(subscription: Subscription): void {
    this.subscriptions.add(subscription)
    this.pump()
  }

  remove(subscription: Subscription): void {
    this.subscriptions.delete(subscription)
    if (this.subscriptions.size === 0) this.forget()
  }

  /** The broker has told the range. */
  reached(range: PartitionRange): void {
    // Another log has the topic's name now.
    if (this.range && range.end < this.range.end) this.forget()
    this.range = range
    this.isStuck = false
    for (const one of [...this.subscriptions])
      if (one.position < range.start || one.position > range.end) one.outOfRange(range)
    this.pump()
  }

  /** Sends what is there to those who want it, and reads on for them. */
  pump(): void {
    const { range } = this
    if (!range) return
    for (const one of [...this.subscriptions]) this.serve(one, range)
    this.host.watch()
    if (this.isReading || this.isStuck) return
    const next = [...this.subscriptions].find((one) => one.wants && one.position < range.end)
    if (!next) return
    // The next read is somebody else's.
    this.subscriptions.delete(next)
    this.subscriptions.add(next)
    void this.read(next.position, Math.min(next.to, range.end))
  }

  private serve(one: Subscription, { end }: PartitionRange): void {
    for (let piece = this.pieces.get(one.position); piece && one.wants && piece.next <= one.to; ) {
      one.send(piece, Math.max(end, piece.next))
      piece = this.pieces.get(one.position)
    }
  }

  private async read(from: number, to: number): Promise<void> {
    this.isReading = true
    try {
      this.keep(from, await firstBatch(this.host.broker, this.at, from, to))
      this.host.succeeded()
    } catch (error) {
      this.isStuck = true
      this.host.failed(error)
    }
    this.isReading = false
    this.pump()
  }

  private keep(from: number, batch: RawBatch): void {
    if (this.subscriptions.size === 0) return
    let added = 0
    for (const piece of pieces(from, batch)) {
      this.drop(piece.from)
      this.pieces.set(piece.from, piece)
      this.bytes += piece.body.length
      added += piece.body.length
      // What is left of the batch is read again when its turn comes.
      if (added >= KEPT_BYTES) break
    }
    for (const at of this.pieces.keys()) {
      if (this.bytes <= Math.max(added, KEPT_BYTES)) break
      this.drop(at)
    }
  }

  private drop(at: number): void {
    this.bytes -= this.pieces.get(at)?.body.length ?? 0
    this.pieces.delete(at)
  }

  private forget(): void {
    this.pieces.clear()
    this.bytes = 0
  }
}

/** Thrown at a read to end it: the port has no other way. */
const ENOUGH = new Error('enough')

async function firstBatch(broker: Broker, at: TopicPartition, from: number, to: number): Promise<RawBatch> {
  let first: RawBatch | undefined
  const take = (batch: RawBatch) => {
    if (batch.nextOffset <= from) return
    first = batch
    throw ENOUGH
  }
  await broker.read(at, from, to, take).catch((error) => {
    if (error !== ENOUGH) throw error
  })
  if (!first) throw new Error(`nothing was read from offset ${from} to ${to}`)
  return first
}

/** A batch in pieces. */
function* pieces(from: number, { records, nextOffset }: RawBatch): Iterable<Piece> {
  let at = from
  let some: RawRecord[] = []
  let bytes = 0
  for (const record of records) {
    const size = sizeOf(record)
    if (some.length > 0 && bytes + size > PIECE_BYTES) {
      yield piece(at, some, record.offset)
      at = record.offset
      some = []
      bytes = 0
    }
    some.push(record)
    bytes += size
  }
  yield piece(at, some, nextOffset)
}

const piece = (from: number, records: readonly RawRecord[], next: number): Piece => ({
  from,
  next,
  body: encodeChunk({ records, nextOffset: next }),
})

function sizeOf({ key, value, headers }: RawRecord): number {
  let size = (key?.length ?? 0) + (value?.length ?? 0)
  for (const [name, content] of headers) size += name.length + (content?.length ?? 0)
  return size
}
