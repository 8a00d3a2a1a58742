import type { ErrorPlace, TidemarkError } from '../record/errors.js'
import type { Headers } from '../record/record.js'
import type { StoreAdapter, StoreChanges } from './store.js'

export interface TopicPartition {
  readonly topic: string
  readonly partition: number
}

/** A record as the log holds it. */
export interface RawRecord {
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  /** ms since the epoch. */
  readonly timestamp: number
  readonly offset: number
  readonly headers: Headers
}

/**
 * Consecutive records of one partition. Offsets rise, with gaps where the log has compacted or holds markers; where it
 * holds nothing else, there are no records, and `nextOffset` steps over it.
 */
export interface RawBatch extends TopicPartition {
  readonly records: readonly RawRecord[]
  /** Where to go on after this batch: past its last record and the markers behind it. */
  readonly nextOffset: number
  /** The offset that the partition's next record would have had when the batch was read. */
  readonly endOffset: number
}

export interface OutRecord extends TopicPartition {
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  readonly timestamp: number
  readonly headers: Headers
}

/** Offset to go on from, by topic and partition. */
export interface Position extends TopicPartition {
  readonly offset: number
}

export interface NewTopic {
  readonly topic: string
  readonly partitions: number
  /** Keeps the last record of each key instead of the last days. */
  readonly compacted?: boolean
  /** Deletes no record for its age. A broker counts age in event time, so an hour's replay of old records would lose them. */
  readonly keepsOld?: boolean
  /**
   * First offset, by partition, for the rest of a log that was begun elsewhere. Default 0. A broker that gives offsets from 0 on refuses
   * others with `BAD_OPTION`.
   */
  readonly starts?: readonly number[]
}

export interface PartitionRange {
  readonly start: number
  readonly end: number
  /** Where a transaction is open: the next offset to be written as its writers see it, past `end`. Absent if that is `end`. */
  readonly written?: number
}

/** Writes records. The caller has chosen the partition of each. */
export interface Producer {
  /**
   * Resolves when all are acknowledged by the in-sync replicas. Per partition the order of calls is kept.
   *
   * `along`: changes for the broker's own store (`Broker.store`), committed in the same atomic write.
   *
   * @throws TidemarkError `UNKNOWN_TOPIC`; `BAD_OPTION` for a record that lacks a field, or has something else in it: then none of the call is written
   */
  send(records: readonly OutRecord[], along?: readonly StoreChanges[]): Promise<void>
  close(): Promise<void>
}

/** Writes records and offsets in transactions, one at a time. */
export interface TransactionalProducer {
  /**
   * Begins one. The first call fences every older producer with the same id and ends its open transaction.
   *
   * @throws TidemarkError `BAD_STATE` if one is open, `FENCED` if a newer producer has the id
   */
  begin(): Promise<Transaction>
  close(): Promise<void>
}

/**
 * All of it becomes visible at `commit`, or nothing ever: on Kafka a moment after the promise resolves, at the latest when
 * the next producer with the id has begun, or this one's next transaction has taken something. Each method rejects with `FENCED` once a newer producer has the id.
 */
export interface Transaction {
  /** @throws as {@link Producer.send} */
  send(records: readonly OutRecord[]): Promise<void>
  sendOffsets(group: string, positions: readonly Position[]): Promise<void>
  /**
   * `along`: changes for the broker's own store (`Broker.store`), committed in the same atomic write.
   *
   * @returns where each partition that it wrote to goes on behind its records; one of which the broker didn't tell is left out
   */
  commit(along?: readonly StoreChanges[]): Promise<readonly Position[]>
  abort(): Promise<void>
}

/**
 * What the consumer tells its owner. Calls come one after the other: while the promise of `assigned` or `revoked`
 * is open, no other call comes but `error` and `standby` (the adapter keeps the membership alive meanwhile).
 */
export interface ConsumerListener {
  /**
   * These partitions are now ours besides those that we kept. Resolves with the positions to start at; a partition that isn't
   * among them starts at the group's committed offset, else at the start of the log. A position outside the log is an
   * `OFFSET_OUT_OF_RANGE` (not fatal), and the partition goes on at the start of the log.
   */
  assigned(partitions: readonly TopicPartition[]): Promise<readonly Position[]>
  /**
   * These are no longer ours; other partitions go on where they were. No batch of theirs comes any more. Until the promise
   * resolves, `commit` still takes them and nobody else gets them (unless the group has given this member up).
   */
  revoked(partitions: readonly TopicPartition[]): Promise<void>
  /** The next records of a partition. Never blocks the adapter: who wants less calls `pause`. */
  batch(batch: RawBatch): void
  /** What the group wants this member to have, it has now, be it nothing. */
  settled?(): void
  /** These slots, and no others, are to be copied: their state, not their records. Nothing is asked of the group for them. */
  standby?(slots: readonly number[]): void
  /** Something went wrong; `fatal` if the consumer has ended by it. */
  error(error: TidemarkError, fatal: boolean): void
}

export interface ConsumerOptions {
  readonly group: string
  readonly topics: readonly string[]
  /** Partition p of every topic belongs to slot p mod `slots`, and a slot goes to one member as a whole. */
  readonly slots: number
  /**
   * Fingerprint of the member's plan. A member whose plan isn't that of the group's leader gets nothing
   * and ends with a fatal `PLAN_MISMATCH`.
   */
  readonly plan: string
  /** How many other members keep a copy of each slot's state. Default 0. */
  readonly standbys?: number
  /** Slots of which this member has a copy of the state, as of now: it gets them rather than others. */
  warm?(): readonly number[]
  readonly listener: ConsumerListener
}

/**
 * A member of a consumer group. Records of a partition come in order, each once, from its start position for as long
 * as it stays assigned, over rebalances and reconnections alike. Only committed records are delivered.
 */
export interface Consumer {
  /** No more batches of these (one that is under way may still come) until `resume`; survives rebalances. */
  pause(partitions: readonly TopicPartition[]): void
  resume(partitions: readonly TopicPartition[]): void
  /**
   * Stores positions for the group, outside any transaction.
   *
   * @throws TidemarkError `FENCED` for a partition that isn't the member's (any more)
   */
  commit(positions: readonly Position[]): Promise<void>
  /**
   * Goes on from other positions (of assigned partitions); batches delivered before are the owner's to ignore. While `assigned` is open, it says
   * where those partitions start.
   */
  seek(positions: readonly Position[]): void
  /** Leaves the group at once, so that others take over; no listener call comes afterwards. */
  close(): Promise<void>
}

/**
 * The log that an app reads and writes: what Kafka gives, as a port. `brokerConformance` in `tidemark/testing` is
 * its contract, run against every adapter.
 */
export interface Broker {
  /** For messages: `kafka localhost:9092`, `embedded`. */
  readonly name: string
  /** The store that holds this broker's own topics, if it has one: then a transaction can take state along. */
  readonly store?: StoreAdapter
  /** Whether its topics outlive the process. */
  readonly durable: boolean
  /** @throws TidemarkError `BROKER_UNAVAILABLE`, with the addresses tried */
  connect(): Promise<void>
  /**
   * There if `store` is open in one place at a time: resolves, once connected, when that is here, and then an app whose state is in it may run; or when
   * `signal` aborts.
   *
   * @returns what aborts, with a `TidemarkError`, if that is no longer here although nobody has closed anything
   */
  standBy?(signal: AbortSignal): Promise<AbortSignal>
  /** Partition counts of the topics that exist among these (all, if none are named). */
  topics(names?: readonly string[]): Promise<ReadonlyMap<string, number>>
  /**
   * Creates those that don't exist; those that do are left alone.
   *
   * @throws TidemarkError `TOPIC_CONFIG` if one exists that is to be compacted, and is not, or deletes what is old too
   */
  createTopics(topics: readonly NewTopic[]): Promise<void>
  deleteTopics(topics: readonly string[]): Promise<void>
  /** First offset kept and next offset to be written (as a reader of committed records sees it), by partition. @throws `UNKNOWN_TOPIC` */
  ranges(topic: string): Promise<readonly PartitionRange[]>
  /** The group's committed offsets; partitions without one are left out. */
  committed(group: string, topics: readonly string[]): Promise<readonly Position[]>
  producer(): Promise<Producer>
  transactionalProducer(id: string): Promise<TransactionalProducer>
  /**
   * Joins a group. Resolves when the member has joined or is trying to; `listener` hears the rest, and nothing before.
   *
   * @throws TidemarkError `UNKNOWN_TOPIC`
   */
  consumer(options: ConsumerOptions): Promise<Consumer>
  /**
   * Reads a partition outside any group, from an offset up to (not including) another: committed records only. Waits for the promise that taking
   * a batch may give before it takes the next one.
   *
   * @throws TidemarkError `UNKNOWN_TOPIC`; `OFFSET_OUT_OF_RANGE` if the log doesn't hold all of it
   */
  read(
    partition: TopicPartition,
    from: number,
    to: number,
    each: (batch: RawBatch) => void | Promise<void>,
  ): Promise<void>
  /** Lets go when it has been called as often as `connect`: apps in one process may share a broker. */
  close(): Promise<void>
}

/** Where in the log, for an error. */
export function placeOf(at: TopicPartition & { offset?: number }): ErrorPlace {
  return at.offset === undefined
    ? { topic: at.topic, partition: at.partition }
    : { topic: at.topic, partition: at.partition, offset: at.offset }
}
