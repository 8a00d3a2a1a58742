import type {
  Broker,
  Consumer,
  ConsumerListener,
  NewTopic,
  OutRecord,
  Position,
  RawBatch,
  RawRecord,
  TopicPartition,
} from '../../ports/broker.js'
import type { TidemarkError } from '../../record/errors.js'
import { NO_HEADERS } from '../../record/record.js'
import { utf8 } from '../../record/serde.js'

/** A sentence of the contract, and what tells whether it holds. */
export interface BrokerLaw {
  readonly name: string
  /** Rejects if it doesn't hold. */
  run(): Promise<void>
}

export type LawBody = (setting: Setting) => Promise<void>

const DEADLINE_MS = 20_000
let topicsMade = 0

/** What a law works with; all of it is closed when the law ends. */
export class Setting {
  private readonly brokers: Broker[] = []
  private readonly members: Consumer[] = []
  private readonly topics: string[] = []
  /** Tells the topics and groups of this run from those of others on the same cluster. */
  readonly id = `law-${Date.now().toString(36)}-${Math.floor(Math.random() * 1e9).toString(36)}-${topicsMade++}`

  constructor(private readonly make: () => Broker | Promise<Broker>) {}

  /** Another app's connection to the same log. */
  async broker(): Promise<Broker> {
    const broker = await this.make()
    await broker.connect()
    this.brokers.push(broker)
    return broker
  }

  async topic(broker: Broker, partitions: number, options: Partial<NewTopic> = {}): Promise<string> {
    const topic = `${this.id}-${this.topics.length}`
    await broker.createTopics([{ ...options, topic, partitions }])
    this.topics.push(topic)
    return topic
  }

  async join(broker: Broker, topics: readonly string[], options: JoinOptions = {}): Promise<Joined> {
    const { group = this.id, slots = 16, plan = 'plan', standbys = 0, ...hooks } = options
    const tape = new Tape(hooks)
    const consumer = await broker.consumer({ group, topics, slots, plan, standbys, listener: tape })
    this.members.push(consumer)
    tape.isJoined = true
    return { consumer, tape }
  }

  /** Writes texts to a partition, outside any transaction. */
  async write(broker: Broker, topic: string, partition: number, values: readonly string[]): Promise<void> {
    const producer = await broker.producer()
    await producer.send(values.map((value) => out(topic, partition, value)))
    await producer.close()
  }

  async end(): Promise<void> {
    await Promise.allSettled(this.members.map((member) => member.close()))
    const [first] = this.brokers
    if (first && this.topics.length > 0) await first.deleteTopics(this.topics).catch(() => {})
    await Promise.allSettled(this.brokers.map((broker) => broker.close()))
  }
}

interface Hooks {
  assigned?(partitions: readonly TopicPartition[]): Promise<readonly Position[]>
  revoked?(partitions: readonly TopicPartition[]): Promise<void>
  batch?(batch: RawBatch): void
}

interface JoinOptions extends Hooks {
  readonly group?: string
  readonly slots?: number
  readonly plan?: string
  readonly standbys?: number
}

export interface Joined {
  readonly consumer: Consumer
  readonly tape: Tape
}

/** A listener that writes down what it hears, and what it should not have heard. */
export class Tape implements ConsumerListener {
  readonly batches: RawBatch[] = []
  readonly errors: { error: TidemarkError; fatal: boolean }[] = []
  /** Assignments and revocations, in order. */
  readonly changes: { kind: 'assigned' | 'revoked'; partitions: readonly TopicPartition[] }[] = []
  /** Slots to be copied, as last told. */
  copied: readonly number[] = []
  /** Breaches of what holds for every consumer. */
  readonly breaches: string[] = []
  isJoined = false
  private readonly owned = new Map<string, TopicPartition>()
  private readonly positions = new Map<string, number>()
  private running: string | undefined

  constructor(private readonly hooks: Hooks) {}

  async assigned(partitions: readonly TopicPartition[]): Promise<readonly Position[]> {
    this.enter('assigned')
    this.changes.push({ kind: 'assigned', partitions })
    for (const partition of partitions) {
      if (this.owned.has(name(partition))) this.breaches.push(`${name(partition)} was assigned twice`)
      this.owned.set(name(partition), partition)
      this.positions.delete(name(partition))
    }
    const starts = (await this.hooks.assigned?.(partitions)) ?? []
    for (const start of starts) this.positions.set(name(start), start.offset)
    this.running = undefined
    return starts
  }

  async revoked(partitions: readonly TopicPartition[]): Promise<void> {
    this.enter('revoked')
    this.changes.push({ kind: 'revoked', partitions })
    for (const partition of partitions) {
      if (!this.owned.delete(name(partition)))
        this.breaches.push(`${name(partition)} was revoked without being assigned`)
    }
    await this.hooks.revoked?.(partitions)
    this.running = undefined
  }

  standby(slots: readonly number[]): void {
    this.copied = [...slots].sort((a, b) => a - b)
  }

  batch(batch: RawBatch): void {
    const at = name(batch)
    if (this.running) this.breaches.push(`a batch of ${at} came while ${this.running} was open`)
    if (!this.owned.has(at)) this.breaches.push(`a batch of ${at} came, which isn't assigned`)
    let from = this.positions.get(at) ?? 0
    for (const { offset } of batch.records) {
      if (offset < from) this.breaches.push(`offset ${offset} of ${at} came where ${from} or later was due`)
      from = offset + 1
    }
    if (batch.nextOffset < from) this.breaches.push(`nextOffset ${batch.nextOffset} of ${at} is before ${from}`)
    if (batch.nextOffset > batch.endOffset) {
      this.breaches.push(`nextOffset ${batch.nextOffset} of ${at} is after endOffset ${batch.endOffset}`)
    }
    this.positions.set(at, batch.nextOffset)
    this.batches.push(batch)
    this.hooks.batch?.(batch)
  }

  error(error: TidemarkError, fatal: boolean): void {
    this.errors.push({ error, fatal })
  }

  /** Expects offsets from here on, as after a seek. */
  expectFrom(position: Position): void {
    this.positions.set(name(position), position.offset)
  }

  /** Partitions held now, as `topic/partition`, sorted. */
  get holds(): string[] {
    return [...this.owned.keys()].sort()
  }

  records(partition?: TopicPartition): RawRecord[] {
    return this.batches
      .filter((batch) => !partition || name(batch) === name(partition))
      .flatMap((batch) => batch.records)
  }

  /** The values heard, as text. */
  values(partition?: TopicPartition): string[] {
    return this.records(partition).map(({ value }) => (value ? utf8.decode(value) : 'null'))
  }

  positionOf(partition: TopicPartition): number | undefined {
    return this.positions.get(name(partition))
  }

  /** That it heard nothing it should not have, but for errors that the law expects. */
  assertClean(expectedErrors = 0): void {
    assert(this.breaches.length === 0, this.breaches.slice(0, 5).join('; '))
    assert(
      this.errors.length === expectedErrors,
      `expected ${expectedErrors} errors, heard ${this.errors.map(({ error }) => error.message).join('; ') || 'none'}`,
    )
  }

  private enter(what: string): void {
    if (!this.isJoined) this.breaches.push(`${what} was called before consumer() had resolved`)
    if (this.running) this.breaches.push(`${what} was called while ${this.running} was open`)
    this.running = what
  }
}

export const name = ({ topic, partition }: TopicPartition): string => `${topic}/${partition}`

export function out(topic: string, partition: number, value: string, rest: Partial<OutRecord> = {}): OutRecord {
  return { topic, partition, key: null, value: utf8.encode(value), timestamp: 1_000, headers: NO_HEADERS, ...rest }
}

/** `count` texts: `a0`, `a1`, … */
export function texts(prefix: string, count: number): string[] {
  return Array.from({ length: count }, (_, index) => `${prefix}${index}`)
}

export function assert(holds: boolean, what: string): asserts holds {
  if (!holds) throw new Error(what)
}

export function assertEqual(actual: unknown, expected: unknown, what: string): void {
  const [left, right] = [JSON.stringify(actual), JSON.stringify(expected)]
  if (left === right) return
  let at = 0
  while (left?.[at] === right?.[at]) at++
  const from = Math.max(0, at - 40)
  throw new Error(`${what}: expected …${right?.slice(from, at + 80)}, got …${left?.slice(from, at + 80)}`)
}

/** Waits for a condition, up to a deadline. */
export async function until(holds: () => boolean | Promise<boolean>, what: string | (() => string)): Promise<void> {
  const deadline = Date.now() + DEADLINE_MS
  while (!(await holds())) {
    if (Date.now() > deadline) {
      throw new Error(`waited ${DEADLINE_MS} ms in vain: ${typeof what === 'string' ? what : what()}`)
    }
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

/** Waits until something has become what is expected: the end of a transaction takes a moment to reach its readers. */
export async function untilEqual(actual: () => Promise<unknown>, expected: unknown, what: string): Promise<void> {
  let last: unknown
  await until(
    async () => {
      last = await actual()
      return JSON.stringify(last) === JSON.stringify(expected)
    },
    () => `${what}: expected ${JSON.stringify(expected)}, got ${JSON.stringify(last)}`,
  )
}

/** That a promise rejects with a TidemarkError of this code. */
export async function assertRejects(promise: Promise<unknown>, code: string, what: string): Promise<void> {
  let got: unknown
  try {
    await promise
  } catch (error) {
    got = (error as TidemarkError).code ?? error
  }
  assert(
    got === code,
    `${what}: expected it to reject with ${code}, got ${got === undefined ? 'a result' : String(got)}`,
  )
}

/** A promise and what resolves it. */
export function gate(): { opened: Promise<void>; open: () => void } {
  let open = () => {}
  const opened = new Promise<void>((resolve) => {
    open = resolve
  })
  return { opened, open }
}
