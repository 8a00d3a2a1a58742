import {
  type App,
  type AppOptions,
  type Broker,
  createApp,
  embedded,
  memory,
  type OpenCheckpointOptions,
  openCheckpoint,
  type StoreAdapter,
  type TidemarkError,
  writeCheckpoint,
} from 'tidemark'
import { type SentRecord, type TestApp, type TestClock, testApp, testClock } from 'tidemark/testing'
import { changelogsOf, type Outcome, recordsOf, statesOf } from '../../../lib/testing/outcome.js'
import { TestTopics } from '../../../lib/testing/testTopics.js'
import { bytesOf } from '../../bytesOf.js'

type Options = Partial<Omit<AppOptions, 'clock'>>

/** Where an app keeps its topics and its state. */
interface Home {
  readonly broker: Broker
  readonly store: StoreAdapter
  readonly app?: Options
}

const disk = () => ({ ...memory(), durable: true })

/** One for each way in which state and offsets are kept together. */
export const HOMES = {
  'topics and state in one store': (clock) => {
    const store = disk()
    return { store, broker: embedded({ store, clock }) }
  },
  changelogs: (clock) => ({ store: disk(), broker: embedded({ clock }), app: { changelog: true } }),
  'the store alone': (clock) => ({ store: disk(), broker: embedded({ clock }) }),
} satisfies Record<string, (clock: TestClock) => Home>

export type Kind = keyof typeof HOMES
type Input = readonly (SentRecord & { readonly topic: string })[]

let residents = 0

/** An app in a home of a kind, which it can leave as a file. */
export class Resident {
  readonly clock = testClock()
  private readonly instance = `resident-${++residents}`
  readonly home: Home
  readonly topics: TestTopics
  app!: TestApp<unknown>

  constructor(
    readonly kind: Kind,
    /** Another version of it from the next app on, if it is changed. */
    public pipeline: (app: App) => unknown,
    private readonly given: Record<string, number>,
    private readonly options: Options = {},
  ) {
    this.home = HOMES[kind](this.clock)
    this.topics = new TestTopics(this.home.broker, this.clock, given)
  }

  /** Something that goes on while nobody moves time. */
  async done<T>(promise: Promise<T>): Promise<T> {
    let isOver = false
    const over = () => {
      isOver = true
    }
    promise.then(over, over)
    while (!isOver) await this.clock.settle()
    return promise
  }

  /** An app that isn't started. */
  unstarted(options: Options = {}): App {
    const { broker, store, app } = this.home
    const made = createApp({
      id: 'test',
      broker,
      store,
      instance: this.instance,
      clock: this.clock,
      ...app,
      ...this.options,
      ...options,
    })
    this.pipeline(made)
    return made
  }

  async createTopics(): Promise<void> {
    await this.home.broker.connect()
    await this.topics.create()
  }

  async send(input: Input): Promise<void> {
    for (const record of input) await this.topics.send(record.topic, [record])
  }

  async start(): Promise<void> {
    const { broker, store, app } = this.home
    this.app = await testApp(this.pipeline, {
      topics: this.given,
      clock: this.clock,
      broker,
      store,
      instance: this.instance,
      ...app,
      ...this.options,
    })
  }

  /** Feeds the app record by record, with a checkpoint behind each. */
  async feed(input: Input): Promise<void> {
    for (const record of input) {
      await this.send([record])
      await this.app.settle()
    }
  }

  async write(app: App = this.app.app): Promise<Uint8Array> {
    return bytesOf(await this.done(writeCheckpoint(app)))
  }

  open(file: Uint8Array, options?: OpenCheckpointOptions, app?: Options): Promise<void> {
    return this.done(openCheckpoint(this.unstarted(app), file, options))
  }

  get errors(): readonly TidemarkError[] {
    return this.app.errors
  }

  async records(): Promise<Outcome['records']> {
    const found = []
    for (const topic of Object.keys(this.given)) found.push(...(await this.topics.records(topic)))
    return recordsOf(found)
  }

  /** When it has stopped. */
  async states(): Promise<Outcome['states']> {
    const { broker, store } = this.home
    if (this.kind === 'changelogs') return changelogsOf(broker, 'test', this.clock.settle)
    if (broker.store === store) return statesOf(store, 'test')
    await store.open(`test.${this.instance}`)
    const found = await statesOf(store, 'test')
    await store.close()
    return found
  }
}
