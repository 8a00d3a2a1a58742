import type { Position, RawBatch, TopicPartition } from '../../ports/broker.js'
import { partitionKey } from '../../ports/partitionKey.js'
import { TidemarkError } from '../../record/errors.js'
import type { KafkaNode } from './cluster.js'
import { type AbortedTransaction, decodeRecordBatches, int64 } from './recordBatches.js'

export interface FetchLimits {
  /** How long the broker may wait for records. */
  readonly maxWaitMs: number
  readonly maxBytes: number
  readonly maxPartitionBytes: number
}

/** What a node said about one partition: records, or an error by its number in the protocol. */
export interface Fetched extends RawBatch {
  readonly from: number
  readonly errorCode: number
}

/** A node's refusal to serve a partition, under the protocol's name for it. */
export class FetchFailed extends Error {
  readonly type: string

  constructor(
    readonly at: TopicPartition,
    code: number,
  ) {
    const type = NAMES[code] ?? `error ${code}`
    super(`the broker answered ${type} for partition ${at.partition} of ${at.topic}`)
    this.type = type
  }
}

/** Error codes of the protocol: those that a newer view of the cluster cures, and the one that only a grant does. */
const NAMES: Record<number, string> = {
  [-1]: 'UNKNOWN',
  3: 'UNKNOWN_TOPIC_OR_PARTITION',
  5: 'LEADER_NOT_AVAILABLE',
  6: 'NOT_LEADER_FOR_PARTITION',
  7: 'REQUEST_TIMED_OUT',
  9: 'REPLICA_NOT_AVAILABLE',
  29: 'TOPIC_AUTHORIZATION_FAILED',
  56: 'KAFKA_STORAGE_ERROR',
  74: 'FENCED_LEADER_EPOCH',
  76: 'UNKNOWN_LEADER_EPOCH',
  78: 'OFFSET_NOT_AVAILABLE',
}

const API_KEY = 1
// The last version before the protocol's compact encoding; brokers since 2.3 speak it.
const API_VERSION = 11
const READ_COMMITTED = 1

/** Fetches committed records of partitions that a node leads. */
export async function fetchRecords(
  node: KafkaNode,
  positions: readonly Position[],
  limits: FetchLimits,
): Promise<Fetched[]> {
  const request = {
    apiKey: API_KEY,
    apiVersion: API_VERSION,
    apiName: 'Fetch',
    encode: async () => encodeFetch(positions, limits),
  }
  const response = {
    decode: (payload: Buffer) => decodeFetch(payload, positions),
    parse: async (decoded: { partitions: Fetched[] }) => decoded.partitions,
  }
  return await node.send<Fetched[]>({ request, response })
}

/** The error of records that can't be unpacked, with its place. */
function unreadable(cause: unknown, place: Position): TidemarkError {
  if (cause instanceof TidemarkError) return cause.at(place)
  const text = `the records from this offset on can't be unpacked: ${cause instanceof Error ? cause.message : String(cause)}`
  return new TidemarkError('BAD_STATE', text, place, { cause })
}

/** kafkajs copies its encoders by these two fields. */
interface Encoded {
  readonly buf: Buffer
  readonly buffer: Buffer
}

function encodeFetch(positions: readonly Position[], limits: FetchLimits): Encoded {
  const byTopic = new Map<string, Position[]>()
  for (const position of positions) {
    const own = byTopic.get(position.topic)
    if (own) own.push(position)
    else byTopic.set(position.topic, [position])
  }
  const names = Array.from(byTopic.keys(), (topic) => Buffer.from(topic))
  const size = 35 + names.reduce((sum, name) => sum + 6 + name.length, 0) + positions.length * 28
  const buf = Buffer.alloc(size)
  let at = 0
  const int32 = (value: number) => {
    at = buf.writeInt32BE(value, at)
  }
  const int64 = (value: number) => {
    at = buf.writeBigInt64BE(BigInt(value), at)
  }
  int32(-1) // a consumer, not a replica
  int32(limits.maxWaitMs)
  int32(1) // any byte will do
  int32(limits.maxBytes)
  at = buf.writeInt8(READ_COMMITTED, at)
  int32(0) // no fetch session
  int32(-1)
  int32(byTopic.size)
  let topicIndex = 0
  for (const own of byTopic.values()) {
    const name = names[topicIndex++] as Buffer
    at = buf.writeInt16BE(name.length, at)
    at += name.copy(buf, at)
    int32(own.length)
    for (const { partition, offset } of own) {
      int32(partition)
      int32(-1) // any leader epoch
      int64(offset)
      int64(-1) // log start: for replicas
      int32(limits.maxPartitionBytes)
    }
  }
  int32(0) // nothing to forget
  at = buf.writeInt16BE(0, at) // no rack
  return { buf, buffer: buf.subarray(0, at) }
}

async function decodeFetch(payload: Buffer, positions: readonly Position[]) {
  let at = 4 + 2 + 4 // throttle time, error, session
  const int32 = () => {
    at += 4
    return payload.readInt32BE(at - 4)
  }
  const long = () => {
    at += 8
    return int64(payload, at - 8)
  }
  const froms = new Map(positions.map((position) => [partitionKey(position), position.offset]))
  const partitions: Fetched[] = []
  for (let topics = int32(); topics > 0; topics--) {
    const nameLength = payload.readInt16BE(at)
    const topic = payload.toString('utf8', at + 2, at + 2 + nameLength)
    at += 2 + nameLength
    for (let left = int32(); left > 0; left--) {
      const partition = int32()
      at += 2
      const errorCode = payload.readInt16BE(at - 2)
      at += 8 // high watermark: open transactions may lie before it
      const endOffset = long()
      at += 8 // log start
      const aborted: AbortedTransaction[] = []
      for (let count = int32(); count > 0; count--) {
        at += 8
        aborted.push({ producerId: payload.readBigInt64BE(at - 8), firstOffset: long() })
      }
      at += 4 // preferred replica
      const length = int32()
      // A copy, where others share the answer: one record that waits would hold all of it.
      const own = payload.subarray(at, at + Math.max(0, length))
      const bytes = 2 * own.length < payload.length ? Buffer.from(own) : own
      at += own.length
      const from = froms.get(partitionKey({ topic, partition })) ?? 0
      const { records, nextOffset } = await decodeRecordBatches(bytes, from, aborted).catch((cause) => {
        throw unreadable(cause, { topic, partition, offset: from })
      })
      partitions.push({
        topic,
        partition,
        records,
        nextOffset,
        endOffset: Math.max(endOffset, nextOffset),
        from,
        errorCode,
      })
    }
  }
  return { partitions, clientSideThrottleTime: payload.readInt32BE(0) }
}
