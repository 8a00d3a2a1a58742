import type { Consumer, ConsumerOptions, Position, TopicPartition } from '../../ports/broker.js'
import { partitionKey } from '../../ports/partitionKey.js'
import type { TidemarkError } from '../../record/errors.js'
import { consumerClosed } from '../rules/consumerClosed.js'
import { ownerThrew } from '../rules/ownerThrew.js'
import type { Bound, Line } from './line.js'
import { errorOf, plainError, type Told, unpacked } from './wire.js'

type ToldBatch = Extract<Told, { is: 'batch' }>
type Question = Extract<Told, { is: 'assigned' | 'revoked' }>

/** A consumer whose group is in the tab that hosts. When that changes it ends, with a fatal `BROKER_UNAVAILABLE`. */
export class RemoteConsumer implements Consumer, Bound {
  private readonly number: number
  /** What the owner hasn't been told yet. */
  private inbox: Told[] = []
  /** Batches that wait for `resume`, by partition. */
  private readonly held = new Map<string, ToldBatch[]>()
  private readonly paused = new Set<string>()
  private readonly seeks = new Map<string, number>()
  private soughtTimes = 0
  private isTelling = false
  private isClosed = false

  constructor(
    private readonly line: Line,
    private readonly options: ConsumerOptions,
  ) {
    this.number = line.number()
  }

  async join(): Promise<void> {
    const { group, topics, slots, plan, standbys = 0 } = this.options
    this.line.bound.set(this.number, this)
    const options = { group, topics, slots, plan, standbys, warm: this.warm }
    try {
      await this.line.callBound('join', this.number, options)
    } catch (error) {
      this.end()
      throw error
    }
  }

  hear(told: Told): void {
    if (told.is === 'error') this.error(errorOf(told.error), told.fatal)
    else {
      this.inbox.push(told)
      void this.tellAll()
    }
  }

  hostGone(error: TidemarkError): void {
    this.error(error, true)
  }

  pause(partitions: readonly TopicPartition[]): void {
    for (const partition of partitions) this.paused.add(partitionKey(partition))
  }

  resume(partitions: readonly TopicPartition[]): void {
    for (const partition of partitions) {
      const key = partitionKey(partition)
      this.paused.delete(key)
      this.inbox.unshift(...(this.held.get(key) ?? []))
      this.held.delete(key)
    }
    queueMicrotask(() => void this.tellAll())
  }

  async commit(positions: readonly Position[]): Promise<void> {
    if (this.isClosed) throw consumerClosed(this.options.group)
    await this.line.callBound('commitPositions', this.number, positions.map(plain))
  }

  seek(positions: readonly Position[]): void {
    this.soughtTimes++
    for (const position of positions) {
      const key = partitionKey(position)
      this.seeks.set(key, this.soughtTimes)
      this.drop(key)
    }
    this.line.tell('seek', this.number, positions.map(plain), this.soughtTimes)
  }

  async close(): Promise<void> {
    if (this.isClosed) return
    this.end()
    // No answer is waited for: where no tab hosts there is none, and nothing to leave.
    this.line.tell('leave', this.number)
  }

  private get warm(): readonly number[] {
    return this.options.warm?.() ?? []
  }

  /** One call after the other: none but an error comes while the owner works on an assignment. */
  private async tellAll(): Promise<void> {
    if (this.isTelling) return
    this.isTelling = true
    for (let told = this.inbox.shift(); told !== undefined && !this.isClosed; told = this.inbox.shift()) {
      if ('question' in told) await this.ask(told)
      else this.tell(told)
    }
    this.isTelling = false
  }

  private tell(told: Exclude<Told, Question>): void {
    const { listener } = this.options
    try {
      if (told.is === 'batch') this.batch(told)
      else if (told.is === 'settled') listener.settled?.()
      else if (told.is === 'standby') listener.standby?.(told.slots)
    } catch (error) {
      this.threw(error)
    }
  }

  private batch(told: ToldBatch): void {
    const { batch } = told
    const key = partitionKey(batch)
    if (told.seeks !== (this.seeks.get(key) ?? 0)) this.had(batch)
    else if (this.paused.has(key)) {
      const held = this.held.get(key)
      if (held) held.push(told)
      else this.held.set(key, [told])
    } else {
      this.had(batch)
      this.options.listener.batch(unpacked(batch))
    }
  }

  private async ask({ is, question, partitions }: Question): Promise<void> {
    const { listener } = this.options
    const answer = (more: object) => this.line.tell('answer', this.number, question, { ...more, warm: this.warm })
    try {
      if (is === 'revoked') {
        for (const partition of partitions) this.drop(partitionKey(partition))
        await listener.revoked(partitions)
        answer({})
      } else answer({ starts: (await listener.assigned(partitions)).map(plain) })
    } catch (error) {
      answer({ error: plainError(error) })
    }
  }

  /** Forgets batches that the owner is not to have any more. */
  private drop(key: string): void {
    for (const { batch } of this.held.get(key) ?? []) this.had(batch)
    this.held.delete(key)
  }

  private had({ topic, partition }: TopicPartition): void {
    this.line.tell('had', this.number, { topic, partition })
  }

  private threw(error: unknown): void {
    this.line.tell('leave', this.number)
    this.error(ownerThrew(error), true)
  }

  private error(error: TidemarkError, fatal: boolean): void {
    if (this.isClosed) return
    if (fatal) this.end()
    this.options.listener.error(error, fatal)
  }

  private end(): void {
    this.isClosed = true
    this.line.bound.delete(this.number)
    this.inbox = []
    this.held.clear()
  }
}

const plain = ({ topic, partition, offset }: Position): Position => ({ topic, partition, offset })
