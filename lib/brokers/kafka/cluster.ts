import type { Cluster, Kafka } from 'kafkajs'
import type { PartitionRange, TopicPartition } from '../../ports/broker.js'
import { partitionKey } from '../../ports/partitionKey.js'
import { TidemarkError } from '../../record/errors.js'
import { errorType, isTransient, tidemarkError } from './errors.js'

const FIRST_PAUSE_MS = 20
const LONGEST_PAUSE_MS = 500
const REQUEST_DEADLINE_MS = 20_000
const GROUP = 0
const READ_UNCOMMITTED = 0
export const TRANSACTION = 1
/** A kind of resource. */
const TOPIC = 2
const EARLIEST = { fromBeginning: true }
const LATEST = { fromBeginning: false }

interface PartitionOffsets {
  readonly partition: number
  readonly offset: string
  readonly metadata?: string | null
}

interface TopicOffsets {
  readonly topic: string
  readonly partitions: PartitionOffsets[]
}

/** A request as kafkajs's connections take it: how to write it, and how to read its answer. */
export interface ProtocolRequest {
  readonly request: { apiKey: number; apiVersion: number; apiName: string; encode(): Promise<unknown> }
  readonly response: { decode(payload: Buffer): Promise<unknown>; parse(decoded: never): Promise<unknown> }
}

interface ConnectionPool {
  send(request: ProtocolRequest): Promise<unknown>
  /** Connects it, if it isn't. */
  getConnection(index: number): Promise<unknown>
}

/** The connection of a pool over which kafkajs fetches. */
const FETCHES = 1

/** What we use of kafkajs's broker, which its types leave out in part. */
interface KafkajsNode {
  disconnect(): Promise<void>
  readonly connectionPool: ConnectionPool
  metadata(topics: readonly string[]): Promise<{
    topicMetadata: { topic: string; partitionMetadata: { partitionId: number; leader: number }[] }[]
  }>
  describeConfigs(request: { resources: readonly object[] }): Promise<{
    resources: readonly {
      resourceName: string
      configEntries: readonly { configName: string; configValue: string }[]
    }[]
  }>
  createTopics(request: { topics: readonly object[]; timeout: number }): Promise<unknown>
  deleteTopics(request: { topics: readonly string[]; timeout: number }): Promise<unknown>
  offsetFetch(request: { groupId: string; topics: readonly object[] }): Promise<{ responses: TopicOffsets[] }>
  offsetCommit(request: {
    groupId: string
    groupGenerationId: number
    memberId: string
    topics: readonly TopicOffsets[]
  }): Promise<unknown>
  joinGroup(request: {
    groupId: string
    memberId: string
    sessionTimeout: number
    rebalanceTimeout: number
    groupProtocols: readonly { name: string; metadata: Buffer }[]
  }): Promise<JoinAnswer>
  syncGroup(request: {
    groupId: string
    generationId: number
    memberId: string
    groupAssignment: readonly { memberId: string; memberAssignment: Buffer }[]
  }): Promise<{ memberAssignment: Buffer }>
  findGroupCoordinator(request: { groupId: string; coordinatorType: number }): Promise<unknown>
  heartbeat(request: { groupId: string; groupGenerationId: number; memberId: string }): Promise<unknown>
  leaveGroup(request: { groupId: string; memberId: string }): Promise<unknown>
}

export interface JoinAnswer {
  readonly generationId: number
  readonly memberId: string
  readonly leaderId: string
  readonly members: { memberId: string; memberMetadata: Buffer }[]
}

/** And of its cluster. */
interface KafkajsCluster extends Omit<Cluster, 'findBroker' | 'findGroupCoordinator' | 'findControllerBroker'> {
  readonly targetTopics: Set<string>
  readonly brokerPool: { findConnectedBroker(): Promise<KafkajsNode> }
  findBroker(node: { nodeId: number }): Promise<KafkajsNode>
  findControllerBroker(): Promise<KafkajsNode>
  findGroupCoordinator(group: { groupId: string }): Promise<KafkajsNode>
}

/** For whom, and which end of the log. */
type Asked = readonly [cluster: KafkajsCluster, from: typeof EARLIEST | typeof LATEST]

/** A node that can be asked what kafkajs has no method for. */
export interface KafkaNode {
  send<T>(request: ProtocolRequest): Promise<T>
}

/**
 * Connections to the nodes of a cluster, and who leads what: kafkajs's own, below its consumer. That consumer
 * forgets positions and pauses at each rebalance, tells nobody in time, and holds requests back behind batches.
 */
export class ClusterClient {
  /** Holds secrets: kept from whoever prints what it has. */
  readonly #cluster: KafkajsCluster
  /** The same, for whom transactions that are open count too. */
  readonly #uncommitted: KafkajsCluster
  private readonly leaders = new Map<string, number>()
  readonly #opening = new Map<ConnectionPool, Promise<unknown>>()
  private knowing: Promise<void> = Promise.resolve()
  private isClosed = false

  constructor(
    kafka: Kafka,
    /** For messages. */
    readonly name: string,
  ) {
    this.#cluster = clusterOf(kafka)
    this.#uncommitted = Object.assign(Object.create(this.#cluster), { isolationLevel: READ_UNCOMMITTED })
  }

  /** One attempt per address. Asks something, too: one who wants a password lets anybody connect, and then hangs up. */
  async connect(): Promise<void> {
    await this.#cluster.connect()
    await (await this.#cluster.brokerPool.findConnectedBroker()).metadata([])
  }

  async close(): Promise<void> {
    this.isClosed = true
    await this.#cluster.disconnect()
  }

  /** Partition counts of the topics that exist among these, or of all. */
  async partitionCounts(names?: readonly string[]): Promise<Map<string, number>> {
    const counts = new Map<string, number>()
    // Asked one by one, since an unknown topic spoils the answer for the others.
    for (const asked of names ? names.map((name) => [checked(name)]) : [[]]) {
      try {
        const metadata = await this.retry('reading topics', async () => {
          const node = await this.#cluster.brokerPool.findConnectedBroker()
          return node.metadata(asked)
        })
        for (const { topic, partitionMetadata } of metadata.topicMetadata) counts.set(topic, partitionMetadata.length)
      } catch (error) {
        if (errorType(error) !== 'UNKNOWN_TOPIC_OR_PARTITION')
          throw tidemarkError(this.name, 'reading topics', error, asked[0] === undefined ? {} : { topic: asked[0] })
      }
    }
    return counts
  }

  /** What the topics' configurations say of one thing. A refusal doesn't say of which topic it is. */
  async configs(topics: readonly string[], configName: string): Promise<Map<string, string>> {
    const { resources } = await this.retry('reading configurations', async () => {
      const node = await this.#cluster.brokerPool.findConnectedBroker()
      return node.describeConfigs({
        resources: topics.map((name) => ({ type: TOPIC, name, configNames: [configName] })),
      })
    })
    return new Map(
      resources.map(({ resourceName, configEntries }) => [
        resourceName,
        configEntries.find((entry) => entry.configName === configName)?.configValue ?? '',
      ]),
    )
  }

  /** First offset and end of each partition, as a reader of committed records sees them. */
  async ranges(topic: string): Promise<PartitionRange[]> {
    const found = await this.offsets(topic, [
      [this.#cluster, EARLIEST],
      [this.#cluster, LATEST],
    ])
    return found.map(([start, end]) => ({ start, end }))
  }

  /** The same, and where a transaction is open, how far it has written: for one request more. */
  async writtenRanges(topic: string): Promise<PartitionRange[]> {
    const found = await this.offsets(topic, [
      [this.#cluster, EARLIEST],
      [this.#cluster, LATEST],
      [this.#uncommitted, LATEST],
    ])
    return found.map(([start, end, written]) => (written > end ? { start, end, written } : { start, end }))
  }

  /** Of each partition what is asked for, one after the other: the last may be beyond the others, and is never before them. */
  private async offsets<const A extends readonly Asked[]>(topic: string, asked: A) {
    try {
      return await this.retry('reading offsets', async () => {
        await this.know([topic])
        const partitions = this.#cluster
          .findTopicPartitionMetadata(topic)
          .map(({ partitionId }) => ({ partition: partitionId }))
        const answers: Map<number, number>[] = []
        for (const [cluster, from] of asked) {
          const [found] = await cluster.fetchTopicsOffset([{ topic, partitions, ...from }])
          answers.push(new Map(found?.partitions.map(({ partition, offset }) => [partition, Number(offset)])))
        }
        return Array.from({ length: Math.max(1, partitions.length) }, (_, partition) => {
          const offsets = answers.map((answer) => answer.get(partition))
          // kafkajs leaves out what it has no leader for.
          if (offsets.includes(undefined)) throw new LeaderUnknown(topic)
          return offsets as { [I in keyof A]: number }
        })
      })
    } catch (error) {
      throw tidemarkError(this.name, 'reading offsets', error, { topic })
    }
  }

  /** Asks the node that group or its offsets live on. */
  async atCoordinator<T>(groupId: string, ask: (node: KafkajsNode) => Promise<T>): Promise<T> {
    const found = this.#cluster.findGroupCoordinator({ groupId })
    return ask(
      await found.catch(async (error) => {
        throw await this.coordinatorError(error, groupId, GROUP)
      }),
    )
  }

  /** Why nobody coordinates a group, or a transactional id. kafkajs asks every node, and keeps what they answer to itself. */
  async coordinatorError(error: unknown, id: string, coordinatorType: typeof GROUP | typeof TRANSACTION) {
    if (errorType(error) !== 'KafkaJSGroupCoordinatorNotFound') return error
    try {
      const node = await this.#cluster.brokerPool.findConnectedBroker()
      await node.findGroupCoordinator({ groupId: id, coordinatorType })
      return error
    } catch (reason) {
      return reason
    }
  }

  /** Asks the node that makes and removes topics. */
  async atController<T>(ask: (node: KafkajsNode) => Promise<T>): Promise<T> {
    const node = await this.#cluster.brokerPool.findConnectedBroker()
    try {
      return await ask(node)
    } catch (error) {
      if (errorType(error) !== 'NOT_CONTROLLER') throw error
      await this.#cluster.refreshMetadata()
      return ask(await this.#cluster.findControllerBroker())
    }
  }

  /** The node that leads a partition, as far as is known. */
  leader(at: TopicPartition): number | undefined {
    const key = partitionKey(at)
    let leader = this.leaders.get(key)
    if (leader === undefined) {
      const partitions = this.#cluster.findTopicPartitionMetadata(at.topic)
      leader = partitions.find(({ partitionId }) => partitionId === at.partition)?.leader
      if (leader !== undefined) this.leaders.set(key, leader)
    }
    return leader
  }

  async node(nodeId: number): Promise<KafkaNode> {
    const node = await this.#cluster.findBroker({ nodeId })
    const open = () => this.openOnce(node.connectionPool)
    return {
      async send<T>(request: ProtocolRequest) {
        try {
          await open()
          return (await node.connectionPool.send(request)) as T
        } catch (error) {
          if (errorType(error) === 'KafkaJSConnectionClosedError') await node.disconnect()
          throw error
        }
      },
    }
  }

  /** kafkajs opens one more connection for each fetch that comes while the first is still being opened, and never closes them. */
  private async openOnce(pool: ConnectionPool): Promise<void> {
    let opening = this.#opening.get(pool)
    if (opening === undefined) {
      opening = pool.getConnection(FETCHES).finally(() => this.#opening.delete(pool))
      this.#opening.set(pool, opening)
    }
    await opening
  }

  /** Makes sure that the leaders of these topics are known. One call after the other: a failure puts back what another one has taken out. */
  know(topics: readonly string[]): Promise<void> {
    const turn = this.knowing.then(() => this.knowNow(topics))
    this.knowing = turn.catch(() => {})
    return turn
  }

  private async knowNow(topics: readonly string[]): Promise<void> {
    try {
      await this.#cluster.addMultipleTargetTopics([...topics])
    } catch (error) {
      // kafkajs asks for all topics that it has ever been told of, and one that is gone spoils the answer.
      if (errorType(error) !== 'UNKNOWN_TOPIC_OR_PARTITION') throw error
      this.#cluster.targetTopics.clear()
      await this.#cluster.addMultipleTargetTopics([...topics])
    }
  }

  /** Asks again who leads what. */
  async refresh(topics: readonly string[]): Promise<void> {
    this.leaders.clear()
    await this.#cluster.refreshMetadata().catch(() => this.#cluster.targetTopics.clear())
    await this.know(topics)
  }

  /** Repeats what fails for a reason that may pass. */
  async retry<T>(what: string, attempt: () => Promise<T>): Promise<T> {
    const deadline = Date.now() + REQUEST_DEADLINE_MS
    for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS)) {
      try {
        return await attempt()
      } catch (error) {
        if (!isTransient(error)) throw error
        if (this.isClosed || Date.now() + pauseMs > deadline) throw this.error(what, error)
      }
      await new Promise((resolve) => setTimeout(resolve, pauseMs))
      await this.#cluster.refreshMetadata().catch(() => {})
    }
  }

  error(what: string, error: unknown) {
    return tidemarkError(this.name, what, error)
  }
}

/** kafkajs counts what it writes in plain objects, by topic: such a name would change all objects of the process. */
function checked(topic: string): string {
  if (!(topic in {})) return topic
  throw new TidemarkError(
    'BAD_OPTION',
    `kafka: no topic can be called ${topic}: every object has a member of that name`,
    {
      topic,
    },
  )
}

/** Treated as the broker's own error of this name: it will pass. */
class LeaderUnknown extends Error {
  readonly type = 'LEADER_NOT_AVAILABLE'

  constructor(topic: string) {
    super(`who leads the partitions of ${topic} is not known`)
  }
}

/** kafkajs shows its cluster to partition assigners, and nowhere else. */
function clusterOf(kafka: Kafka): KafkajsCluster {
  let found: Cluster | undefined
  kafka.consumer({
    groupId: 'none',
    allowAutoTopicCreation: false,
    partitionAssigners: [
      ({ cluster }) => {
        found = cluster
        return {
          name: 'none',
          version: 0,
          assign: async () => [],
          protocol: () => ({ name: 'none', metadata: Buffer.alloc(0) }),
        }
      },
    ],
  })
  return found as unknown as KafkajsCluster
}
