import type { Broker, Producer, Transaction, TransactionalProducer } from '../../ports/broker.js'
import { TidemarkError } from '../../record/errors.js'
import type { Done } from './done.js'
import { HostedConsumer } from './hostedConsumer.js'
import { type Calls, type PackedBatch, packed, plainError, type Reply, type Request } from './wire.js'

/** `read` goes to another tab in pieces of at most as many offsets. */
const READ_OFFSETS = 2_000

type Answers = {
  readonly [C in keyof Calls]: (
    args: Parameters<Calls[C]>,
    request: Request,
  ) => Promise<ReturnType<Calls[C]>> | ReturnType<Calls[C]>
}

/** Another tab, as the host has it: carries out what that asks for, and has all that it holds open. */
export class Guest {
  private readonly consumers = new Map<number, HostedConsumer>()
  private readonly producers = new Map<number, TransactionalProducer>()
  private readonly transactions = new Map<number, Promise<Transaction>>()
  private readonly answering = new Set<number>()
  private readonly producer: Promise<Producer>

  constructor(
    private readonly tab: string,
    private readonly broker: Broker,
    private readonly done: Done,
    private readonly reply: (reply: Reply) => void,
  ) {
    this.producer = broker.producer()
  }

  async answer(request: Request): Promise<void> {
    const { id, call, with: args } = request
    // Sent when no host was sure, it comes twice.
    if (this.answering.has(id)) return
    if (id > 0) this.answering.add(id)
    let reply: Reply
    try {
      const answer = this.answers[call as keyof Calls] as (args: any, request: Request) => unknown
      reply = { id, value: await answer(args, request) }
    } catch (error) {
      reply = { id, error: plainError(error) }
    }
    this.answering.delete(id)
    if (id > 0) this.reply(reply)
  }

  /** The tab has gone, or doesn't answer, or the host goes: nobody is left to tell that something couldn't be closed. */
  async end(): Promise<void> {
    const open = [
      ...[...this.consumers.values()].map((consumer) => consumer.close()),
      ...[...this.transactions.values()].map(async (transaction) => (await transaction).abort()),
      ...[...this.producers.values()].map((producer) => producer.close()),
    ]
    this.consumers.clear()
    this.transactions.clear()
    this.producers.clear()
    await Promise.allSettled(open)
  }

  private readonly answers: Answers = {
    topics: ([names]) => this.broker.topics(names),
    createTopics: ([topics]) => this.broker.createTopics(topics),
    deleteTopics: ([topics]) => this.broker.deleteTopics(topics),
    ranges: ([topic]) => this.broker.ranges(topic),
    committed: ([group, topics]) => this.broker.committed(group, topics),
    read: async ([partition, from, to]) => {
      const end = (await this.broker.ranges(partition.topic))[partition.partition]?.end ?? 0
      const batches: PackedBatch[] = []
      // Beyond the end: the broker refuses it as a whole.
      const upTo = to > end ? to : Math.min(to, from + READ_OFFSETS)
      await this.broker.read(partition, from, upTo, (batch) => {
        batches.push(packed(batch))
      })
      return batches
    },
    send: ([records, along = []], request) =>
      this.once(request, async (more) => (await this.producer).send(records, [...along, ...more]), undefined),

    begin: async ([producer, id, transaction]) => {
      let known = this.producers.get(producer)
      if (known === undefined) {
        known = await this.broker.transactionalProducer(id)
        this.producers.set(producer, known)
      }
      const begun = known.begin()
      this.transactions.set(transaction, begun)
      await begun.catch((error) => {
        this.transactions.delete(transaction)
        throw error
      })
    },
    sendIn: async ([transaction, records]) => (await this.transaction(transaction)).send(records),
    sendOffsets: async ([transaction, group, positions]) =>
      (await this.transaction(transaction)).sendOffsets(group, positions),
    commit: ([transaction, along = []], request) =>
      this.once(
        request,
        async (more) => {
          const open = await this.transaction(transaction)
          this.transactions.delete(transaction)
          return open.commit([...along, ...more])
        },
        [],
      ),
    abort: async ([transaction]) => {
      const open = await this.transaction(transaction)
      this.transactions.delete(transaction)
      await open.abort()
    },
    closeProducer: async ([producer]) => {
      await this.producers.get(producer)?.close()
      this.producers.delete(producer)
    },

    join: async ([consumer, options]) => {
      const hosted = new HostedConsumer(this.broker, options, (told) => this.reply({ consumer, told }))
      this.consumers.set(consumer, hosted)
      await hosted.joined().catch((error) => {
        this.consumers.delete(consumer)
        throw error
      })
    },
    seek: ([consumer, positions, seeks]) => this.consumers.get(consumer)?.seek(positions, seeks),
    had: ([consumer, partition]) => this.consumers.get(consumer)?.had(partition),
    answer: ([consumer, question, answer]) => this.consumers.get(consumer)?.answer(question, answer),
    commitPositions: async ([consumer, positions]) => this.consumers.get(consumer)?.commit(positions),
    leave: async ([consumer]) => {
      await this.consumers.get(consumer)?.close()
      this.consumers.delete(consumer)
    },
  }

  /** Carries out what must not happen twice; `again` is the answer if an earlier host has done it. */
  private async once<T>(
    { id, open }: Request,
    run: (along: ReturnType<Done['along']>) => Promise<T>,
    again: T,
  ): Promise<T> {
    if (this.done.has(this.tab, id)) return again
    const value = await run(this.done.along(this.tab, id, open))
    this.done.add(this.tab, id, open)
    return value
  }

  private transaction(number: number): Promise<Transaction> {
    const known = this.transactions.get(number)
    if (known !== undefined) return known
    const message = `${this.broker.name}: the transaction isn't known here: the tab that hosted it has gone, and nothing of it was kept; go on from the committed offsets`
    throw new TidemarkError('FENCED', message)
  }
}
