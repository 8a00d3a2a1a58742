import type { Broker, Consumer, Position, TopicPartition } from '../../ports/broker.js'
import { partitionKey } from '../../ports/partitionKey.js'
import { type Answer, errorOf, type JoinOptions, packed, plainError, type Told } from './wire.js'

/** As many batches of a partition may be on their way to a tab, or wait there. */
const MAX_UNDER_WAY = 4

/** A consumer of another tab, as the host has it: a member of the group whose owner is far away. */
export class HostedConsumer {
  private readonly consumer: Promise<Consumer>
  private readonly underWay = new Map<string, number>()
  /** How often the owner has sought in each partition: it ignores what was sent before. */
  private readonly seeks = new Map<string, number>()
  private readonly questions = new Map<
    number,
    { resolve(starts: readonly Position[]): void; reject(error: Error): void }
  >()
  private asked = 0
  private warm: readonly number[]

  constructor(
    broker: Broker,
    { warm, ...options }: JoinOptions,
    private readonly tell: (told: Told) => void,
  ) {
    this.warm = warm
    this.consumer = broker.consumer({
      ...options,
      warm: () => this.warm,
      listener: {
        assigned: (partitions) => this.ask('assigned', partitions),
        revoked: async (partitions) => {
          await this.ask('revoked', partitions)
        },
        batch: (batch) => {
          const key = partitionKey(batch)
          const underWay = (this.underWay.get(key) ?? 0) + 1
          this.underWay.set(key, underWay)
          if (underWay === MAX_UNDER_WAY) this.each((consumer) => consumer.pause([batch]))
          tell({ is: 'batch', batch: packed(batch), seeks: this.seeks.get(key) ?? 0 })
        },
        settled: () => tell({ is: 'settled' }),
        standby: (slots) => tell({ is: 'standby', slots }),
        error: (error, fatal) => tell({ is: 'error', error: plainError(error), fatal }),
      },
    })
    this.consumer.catch(() => {})
  }

  async joined(): Promise<void> {
    await this.consumer
  }

  seek(positions: readonly Position[], seeks: number): void {
    this.each((consumer) => {
      for (const position of positions) this.seeks.set(partitionKey(position), seeks)
      consumer.seek(positions)
    })
  }

  had(partition: TopicPartition): void {
    const key = partitionKey(partition)
    const underWay = (this.underWay.get(key) ?? 0) - 1
    this.underWay.set(key, underWay)
    if (underWay === MAX_UNDER_WAY - 1) this.each((consumer) => consumer.resume([partition]))
  }

  answer(question: number, { starts = [], error, warm }: Answer): void {
    this.warm = warm
    const asked = this.questions.get(question)
    this.questions.delete(question)
    if (error === undefined) asked?.resolve(starts)
    else asked?.reject(errorOf(error))
  }

  async commit(positions: readonly Position[]): Promise<void> {
    await (await this.consumer).commit(positions)
  }

  async close(): Promise<void> {
    await (await this.consumer).close()
  }

  private ask(is: 'assigned' | 'revoked', partitions: readonly TopicPartition[]): Promise<readonly Position[]> {
    const question = ++this.asked
    return new Promise((resolve, reject) => {
      this.questions.set(question, { resolve, reject })
      this.tell({ is, question, partitions: partitions.map(({ topic, partition }) => ({ topic, partition })) })
    })
  }

  /** Once it has joined, which the broker says before it tells the first thing; else there is nothing to do it to. */
  private each(act: (consumer: Consumer) => void): void {
    this.consumer.then(act, () => {})
  }
}
