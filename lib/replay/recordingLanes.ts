import type { TopicPartition } from '../ports/broker.js'
import type { RecordedRecord } from './recordedRecord.js'
import { badLine, type RecordedTopics } from './recordingLine.js'

/** The partitions of a recording, numbered over all topics. */
export class RecordingLanes {
  readonly topics: ReadonlyMap<string, number>
  private readonly all: TopicPartition[] = []
  /** Where a topic's partitions begin among all. */
  private readonly bases = new Map<string, number>()
  /** Of each partition's last record. */
  private readonly lastOffsets: number[] = []

  constructor(topics: RecordedTopics) {
    this.topics = new Map(Object.entries(topics).map(([topic, { partitions }]) => [topic, partitions]))
    for (const [topic, count] of this.topics) {
      this.bases.set(topic, this.all.length)
      for (let partition = 0; partition < count; partition++) this.all.push({ topic, partition })
    }
  }

  at(lane: number): TopicPartition {
    return this.all[lane] as TopicPartition
  }

  /** @returns the lane of a partition; undefined if there is no such partition */
  find(topic: string, partition: number): number | undefined {
    const base = this.bases.get(topic)
    const isKnown = base !== undefined && Number.isInteger(partition) && partition >= 0
    return isKnown && partition < (this.topics.get(topic) as number) ? base + partition : undefined
  }

  /** @returns the lane of the next record @throws TidemarkError `BAD_RECORDING` there is none, or it is further already */
  take({ topic, partition, offset }: Pick<RecordedRecord, 'topic' | 'partition' | 'offset'>, line: number): number {
    const lane = this.find(topic, partition)
    if (lane === undefined) throw badLine(line, `the first line names no partition ${partition} of topic ${topic}`)
    const before = this.lastOffsets[lane]
    if (before !== undefined && offset <= before)
      throw badLine(line, `offsets of a partition rise; after ${before} came ${offset} of ${topic}[${partition}]`)
    this.lastOffsets[lane] = offset
    return lane
  }
}
