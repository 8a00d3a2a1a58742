import type { NewTopic, OutRecord, Position, TopicPartition } from '../../ports/broker.js'
import { loadAll } from '../../ports/loadAll.js'
import { partitionKey } from '../../ports/partitionKey.js'
import type { StoreAdapter, StoreChanges } from '../../ports/store.js'
import type { TidemarkError } from '../../record/errors.js'
import { utf8 } from '../../record/serde.js'
import { decodeChunk, encodeChunk } from '../rules/chunk.js'
import { notCompacted } from '../rules/notCompacted.js'
import { unknownTopic } from '../rules/unknownTopic.js'
import { type Changes, Journal, type Write } from './journal.js'
import { PartitionLog } from './log.js'

const TOPICS = 'broker/topics'
const OFFSETS = 'broker/offsets'
const scopeOf = ({ topic, partition }: TopicPartition) => `broker/topic/${topic}/${partition}`
const chunkKey = (base: number) => String(base).padStart(16, '0')

interface Topic {
  readonly compacted: boolean
  readonly logs: readonly PartitionLog[]
}

/** What a write adds to the topics, or commits for a group. */
export interface Addition {
  readonly records: readonly OutRecord[]
  readonly offsets?: readonly { readonly group: string; readonly positions: readonly Position[] }[]
  /** Whether it ends a transaction: that takes one offset in each partition. */
  readonly marked?: boolean
  /** What else the store is to keep in the same commit. */
  readonly along?: readonly StoreChanges[]
}

/** The topics and the groups' offsets, in memory and, if there is a store, in it too. */
export class Topics {
  readonly journal: Journal
  /** Called after topics have been made. */
  readonly watchers = new Set<() => void>()
  private readonly topics = new Map<string, Topic>()
  /** By group, then by topic and partition. */
  private readonly offsets = new Map<string, Map<string, Position>>()

  constructor(
    private readonly broker: string,
    private readonly store: StoreAdapter | undefined,
    private readonly compactAfter: number,
  ) {
    this.journal = new Journal(store)
  }

  /** Takes over what the store holds, in place of all that is in memory. */
  async load(store: StoreAdapter): Promise<void> {
    this.topics.clear()
    this.offsets.clear()
    for (const [topic, bytes] of await loadAll(store, TOPICS)) {
      this.add({ topic, ...(JSON.parse(utf8.decode(bytes)) as Omit<NewTopic, 'topic'>) })
    }
    for (const { logs } of this.topics.values()) {
      for (const log of logs) {
        const stored = (await loadAll(store, scopeOf(log))).sort(([a], [b]) => (a < b ? -1 : 1))
        for (const [base, bytes] of stored) log.add(Number(base), decodeChunk(bytes))
      }
    }
    for (const [key, bytes] of await loadAll(store, OFFSETS)) {
      const [group, topic, partition] = JSON.parse(key) as [string, string, number]
      this.setOffset(group, { topic, partition, offset: Number(utf8.decode(bytes)) })
    }
  }

  counts(names: Iterable<string> = this.topics.keys()): Map<string, number> {
    const counts = new Map<string, number>()
    for (const name of names) {
      const topic = this.topics.get(name)
      if (topic) counts.set(name, topic.logs.length)
    }
    return counts
  }

  logsOf(topic: string): readonly PartitionLog[] {
    const found = this.topics.get(topic)
    if (!found) throw unknownTopic(this.broker, topic)
    return found.logs
  }

  /** The log that has a partition's name now, if any has. */
  find({ topic, partition }: TopicPartition): PartitionLog | undefined {
    return this.topics.get(topic)?.logs[partition]
  }

  /** @throws TidemarkError `UNKNOWN_TOPIC` */
  log({ topic, partition }: TopicPartition): PartitionLog {
    const log = this.logsOf(topic)[partition]
    if (!log) throw this.unknown({ topic, partition })
    return log
  }

  unknown({ topic, partition }: TopicPartition): TidemarkError {
    return unknownTopic(this.broker, topic, partition)
  }

  async create(topics: readonly NewTopic[]): Promise<void> {
    for (const { topic, compacted } of topics)
      if (compacted && this.topics.get(topic)?.compacted === false) throw notCompacted(this.broker, topic, 'delete')
    const wanted = () => topics.filter(({ topic }) => !this.topics.has(topic))
    return this.journal.write({
      stage: (changes) => {
        for (const { topic, partitions, compacted = false, starts } of wanted()) {
          changes.put(TOPICS, topic, utf8.encode(JSON.stringify({ partitions, compacted, starts })))
        }
      },
      apply: () => {
        for (const topic of wanted()) this.add(topic)
        for (const wake of [...this.watchers]) wake()
      },
    })
  }

  delete(names: readonly string[]): Promise<void> {
    return this.journal.write({
      stage: (changes) => {
        for (const name of names) {
          const logs = this.topics.get(name)?.logs ?? []
          if (logs.length > 0) changes.put(TOPICS, name, null)
          changes.add(logs.map((log) => ({ scope: scopeOf(log), entries: [], reset: true })))
        }
        for (const [group, { topic, partition }] of this.offsetsOf(names)) {
          changes.put(OFFSETS, JSON.stringify([group, topic, partition]), null)
        }
      },
      apply: () => {
        for (const [group, position] of [...this.offsetsOf(names)])
          this.offsets.get(group)?.delete(partitionKey(position))
        for (const name of names) {
          const logs = this.topics.get(name)?.logs ?? []
          this.topics.delete(name)
          for (const log of logs) {
            log.isDeleted = true
            for (const wake of [...log.readers]) wake()
          }
        }
      },
    })
  }

  /**
   * A write that adds records and offsets together; `ends` tells, once it is staged, where each partition goes on behind them.
   *
   * @throws TidemarkError `UNKNOWN_TOPIC` when staged
   */
  addition({ records, offsets = [], marked = false, along = [] }: Addition): Write & { ends(): Position[] } {
    let added: { log: PartitionLog; chunk: ReturnType<PartitionLog['reserve']> }[] = []
    return {
      ends: () => added.map(({ log: { topic, partition }, chunk }) => ({ topic, partition, offset: chunk.nextOffset })),
      stage: (changes) => {
        const byLog = new Map<PartitionLog, OutRecord[]>()
        for (const record of records) {
          const log = this.log(record)
          const group = byLog.get(log)
          if (group) group.push(record)
          else byLog.set(log, [record])
        }
        added = Array.from(byLog, ([log, own]) => ({ log, chunk: log.reserve(own, marked) }))
        if (!this.store) return
        for (const { log, chunk } of added) changes.put(scopeOf(log), chunkKey(chunk.base), encodeChunk(chunk))
        for (const { group, positions } of offsets) {
          for (const { topic, partition, offset } of positions) {
            changes.put(OFFSETS, JSON.stringify([group, topic, partition]), utf8.encode(String(offset)))
          }
        }
        changes.add(along)
      },
      apply: () => {
        for (const { group, positions } of offsets) for (const position of positions) this.setOffset(group, position)
        for (const { log, chunk } of added) {
          log.add(chunk.base, chunk)
          if (this.topics.get(log.topic)?.compacted && log.shouldCompact(this.compactAfter)) this.compact(log)
        }
      },
      undo: () => {
        for (const { log } of added) log.release()
      },
    }
  }

  committed(group: string, topics: readonly string[]): Position[] {
    return [...(this.offsets.get(group)?.values() ?? [])].filter(({ topic }) => topics.includes(topic))
  }

  committedAt(group: string, partition: TopicPartition): number | undefined {
    return this.offsets.get(group)?.get(partitionKey(partition))?.offset
  }

  private add({ topic, partitions, compacted = false, starts = [] }: NewTopic): void {
    const logs = Array.from(
      { length: partitions },
      (_, partition) => new PartitionLog(topic, partition, starts[partition] ?? 0),
    )
    this.topics.set(topic, { compacted, logs })
  }

  private compact(log: PartitionLog): void {
    const compaction = log.compact()
    const store = (changes: Changes) => {
      for (const [base, chunk] of compaction) {
        changes.put(scopeOf(log), chunkKey(base), chunk && encodeChunk(chunk))
      }
    }
    // If this fails, the store keeps superseded records, which loading it again will find and compact.
    if (this.store) this.journal.write({ stage: store, apply() {} }).catch(() => {})
  }

  private *offsetsOf(topics: readonly string[]): Iterable<[group: string, position: Position]> {
    for (const [group, positions] of this.offsets) {
      for (const position of positions.values()) if (topics.includes(position.topic)) yield [group, position]
    }
  }

  private setOffset(group: string, { topic, partition, offset }: Position): void {
    let positions = this.offsets.get(group)
    if (!positions) {
      positions = new Map()
      this.offsets.set(group, positions)
    }
    positions.set(partitionKey({ topic, partition }), { topic, partition, offset })
  }
}
