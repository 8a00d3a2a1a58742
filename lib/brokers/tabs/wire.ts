import type { NewTopic, OutRecord, PartitionRange, Position, RawBatch, TopicPartition } from '../../ports/broker.js'
import type { StoreChanges } from '../../ports/store.js'
import { type ErrorCode, type ErrorPlace, TidemarkError } from '../../record/errors.js'
import { checkRecords } from '../rules/checkRecords.js'
import { decodeChunk, encodeChunk } from '../rules/chunk.js'

/** The consumer's part of {@link Calls}: what `ConsumerOptions` says, without functions. */
export interface JoinOptions {
  readonly group: string
  readonly topics: readonly string[]
  readonly slots: number
  readonly plan: string
  readonly standbys?: number
  readonly warm: readonly number[]
}

/** What a tab may ask of the host. Producers, transactions and consumers have numbers that the tab gives them. */
export interface Calls {
  topics(names: readonly string[] | undefined): ReadonlyMap<string, number>
  createTopics(topics: readonly NewTopic[]): void
  deleteTopics(topics: readonly string[]): void
  ranges(topic: string): readonly PartitionRange[]
  committed(group: string, topics: readonly string[]): readonly Position[]
  /** The first of what `Broker.read` gives. */
  read(partition: TopicPartition, from: number, to: number): readonly PackedBatch[]
  send(records: readonly OutRecord[], along: readonly StoreChanges[] | undefined): void
  begin(producer: number, id: string, transaction: number): void
  sendIn(transaction: number, records: readonly OutRecord[]): void
  sendOffsets(transaction: number, group: string, positions: readonly Position[]): void
  commit(transaction: number, along: readonly StoreChanges[] | undefined): readonly Position[]
  abort(transaction: number): void
  closeProducer(producer: number): void
  join(consumer: number, options: JoinOptions): void
  seek(consumer: number, positions: readonly Position[], seeks: number): void
  /** The consumer's owner has had a batch of this partition. */
  had(consumer: number, partition: TopicPartition): void
  /** The owner's answer to `assigned` or `revoked`. */
  answer(consumer: number, question: number, answer: Answer): void
  commitPositions(consumer: number, positions: readonly Position[]): void
  leave(consumer: number): void
}

export interface Answer {
  readonly starts?: readonly Position[]
  readonly error?: PlainError
  readonly warm: readonly number[]
}

/** What the host tells a consumer: a call of its listener. */
export type Told =
  | { readonly is: 'assigned' | 'revoked'; readonly question: number; readonly partitions: readonly TopicPartition[] }
  | { readonly is: 'batch'; readonly batch: PackedBatch; readonly seeks: number }
  | { readonly is: 'settled' }
  | { readonly is: 'standby'; readonly slots: readonly number[] }
  | { readonly is: 'error'; readonly error: PlainError; readonly fatal: boolean }

/** From a tab to the host. The same `id` again is the same request, sent again to another host. */
export interface Request {
  readonly from: string
  readonly id: number
  /** All requests below this one have been answered. */
  readonly open: number
  readonly call: keyof Calls | 'hello' | 'aside' | 'bye'
  readonly with: readonly unknown[]
}

/** From the host to one tab. */
export type Reply =
  | { readonly host: string }
  | { readonly id: number; readonly value?: unknown; readonly error?: PlainError }
  | { readonly consumer: number; readonly told: Told }

/** An error as it survives being copied to another tab. */
export interface PlainError {
  readonly code: ErrorCode
  readonly reason: string
  readonly place: ErrorPlace
  readonly cause: string | undefined
}

export function plainError(error: unknown): PlainError {
  if (!(error instanceof TidemarkError))
    return { code: 'BAD_STATE', reason: String(error), place: {}, cause: (error as Error | undefined)?.stack }
  const { code, reason, place, cause } = error
  return { code, reason, place, cause: cause === undefined ? undefined : String(cause) }
}

export const errorOf = ({ code, reason, place, cause }: PlainError): TidemarkError =>
  new TidemarkError(code, reason, place, cause === undefined ? {} : { cause })

/** Names of channels and locks. */
export const hostName = (name: string) => `tidemark tabs/${name}`
export const newsName = (name: string) => `${hostName(name)}/news`
export const tabName = (name: string, tab: string) => `${hostName(name)}/tab/${tab}`

/** A batch with its records in one piece: as objects they take several times as long from tab to tab. */
export interface PackedBatch extends TopicPartition {
  readonly chunk: Uint8Array
  readonly endOffset: number
}

export const packed = ({ topic, partition, endOffset, ...chunk }: RawBatch): PackedBatch => ({
  topic,
  partition,
  chunk: encodeChunk(chunk),
  endOffset,
})

export const unpacked = ({ chunk, ...rest }: PackedBatch): RawBatch => ({ ...rest, ...decodeChunk(chunk) })

/**
 * A message is copied with all of the memory that its bytes are a part of: here each has just its own.
 *
 * @throws TidemarkError `BAD_OPTION` for a record that isn't whole
 */
export function ownRecords(records: readonly OutRecord[]): OutRecord[] {
  checkRecords(records)
  return records.map((record) => ({
    ...record,
    key: own(record.key),
    value: own(record.value),
    headers: record.headers.map(([name, value]) => [name, own(value)] as const),
  }))
}

const own = (bytes: Uint8Array | null): Uint8Array | null =>
  bytes !== null && bytes.byteLength < bytes.buffer.byteLength ? bytes.slice() : bytes
