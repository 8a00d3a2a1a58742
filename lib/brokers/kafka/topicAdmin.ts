import type { NewTopic, OutRecord } from '../../ports/broker.js'
import { TidemarkError } from '../../record/errors.js'
import { checkRecords } from '../rules/checkRecords.js'
import { notCompacted } from '../rules/notCompacted.js'
import { unknownTopic } from '../rules/unknownTopic.js'
import type { ClusterClient } from './cluster.js'
import { errorType, tidemarkError } from './errors.js'

const CONTROLLER_TIMEOUT_MS = 15_000

/** Makes and removes topics, and knows which there are. */
export class TopicAdmin {
  /** Partition counts of topics that have been written to. */
  private readonly counts = new Map<string, number>()

  constructor(
    private readonly cluster: ClusterClient,
    private readonly replicationFactor: number,
  ) {}

  /** Resolves when the new topics can be written and read. */
  async create(topics: readonly NewTopic[]): Promise<void> {
    for (const { topic, starts } of topics) {
      if (starts?.some((start) => start > 0))
        throw new TidemarkError('BAD_OPTION', `createTopics: starts: Kafka begins ${topic} at offset 0`, { topic })
    }
    const found = await this.cluster.partitionCounts(topics.map(({ topic }) => topic))
    const existing = topics.filter(({ topic, compacted }) => compacted && found.has(topic))
    for (const [topic, policy] of await this.policies(existing.map(({ topic }) => topic)))
      if (policy !== 'compact') throw notCompacted(this.cluster.name, topic, policy)
    for (const { topic, partitions, compacted = false, keepsOld = false } of topics) {
      if (found.has(topic)) continue
      const configEntries = [
        ...(compacted
          ? [
              { name: 'cleanup.policy', value: 'compact' },
              // Whoever has read all but the last day hears of every delete.
              { name: 'delete.retention.ms', value: String(86_400_000) },
            ]
          : []),
        ...(keepsOld ? [{ name: 'retention.ms', value: '-1' }] : []),
      ]
      const wanted = {
        topic,
        numPartitions: partitions,
        replicationFactor: this.replicationFactor,
        configEntries,
      }
      await this.change(`creating topic ${topic}`, 'TOPIC_ALREADY_EXISTS', () =>
        this.cluster.atController((node) => node.createTopics({ topics: [wanted], timeout: CONTROLLER_TIMEOUT_MS })),
      )
      await this.until(async () => (await this.cluster.partitionCounts([topic])).has(topic))
      await this.until(() => this.cluster.ranges(topic).then(() => true))
    }
  }

  /** Asked for together; one by one if that is refused, to say of which topic. */
  private async policies(topics: readonly string[]): Promise<Iterable<readonly [topic: string, policy: string]>> {
    const [topic, ...more] = topics
    if (topic === undefined) return []
    try {
      return await this.cluster.configs(topics, 'cleanup.policy')
    } catch (error) {
      // One of ours says that the brokers can't be reached, whatever is asked.
      if (more.length === 0 || error instanceof TidemarkError)
        throw tidemarkError(this.cluster.name, `reading the configuration of ${topic}`, error, { topic })
      return [...(await this.policies([topic])), ...(await this.policies(more))]
    }
  }

  /** Resolves when nobody is told of the topics any more. */
  async delete(topics: readonly string[]): Promise<void> {
    for (const topic of (await this.cluster.partitionCounts(topics)).keys()) {
      this.counts.delete(topic)
      await this.change(`deleting topic ${topic}`, 'UNKNOWN_TOPIC_OR_PARTITION', () =>
        this.cluster.atController((node) => node.deleteTopics({ topics: [topic], timeout: CONTROLLER_TIMEOUT_MS })),
      )
      await this.until(async () => !(await this.cluster.partitionCounts([topic])).has(topic))
    }
  }

  /** @throws TidemarkError `BAD_OPTION` for a record that isn't whole, `UNKNOWN_TOPIC` if the topic of one isn't there */
  async check(records: readonly OutRecord[]): Promise<void> {
    checkRecords(records)
    for (const { topic, partition } of records) {
      const known = this.counts.get(topic)
      if (known !== undefined && partition >= 0 && partition < known) continue
      const count = (await this.cluster.partitionCounts([topic])).get(topic)
      if (count === undefined) throw unknownTopic(this.cluster.name, topic)
      this.counts.set(topic, count)
      if (partition < 0 || partition >= count) throw unknownTopic(this.cluster.name, topic, partition)
    }
  }

  /** Makes a change that may have been made already. */
  private async change(what: string, done: string, attempt: () => Promise<unknown>): Promise<void> {
    try {
      await this.cluster.retry(what, attempt)
    } catch (error) {
      // kafkajs gathers the errors of several topics.
      const causes = (error as { errors?: unknown[] }).errors ?? [error]
      if (causes.some((cause) => errorType(cause) !== done)) throw tidemarkError(this.cluster.name, what, causes[0])
    }
  }

  /** Waits until the brokers have heard of a change. */
  private async until(holds: () => Promise<boolean>): Promise<void> {
    await this.cluster.retry('waiting for the brokers to agree', async () => {
      if (!(await holds())) throw Object.assign(new Error('not all brokers know'), { type: 'LEADER_NOT_AVAILABLE' })
    })
  }
}
