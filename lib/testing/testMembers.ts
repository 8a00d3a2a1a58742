import { runtimeOf } from '../app/app.js'
import { type App, type AppOptions, type Broker, type Clock, createApp, type TidemarkError } from '../index.js'
import type { Mortal } from './mortal.js'
import type { TestClock } from './testClock.js'

/** A member of a test's app: a process of its own, as broker and store see it. */
export interface TestMember<T> {
  readonly instance: string
  readonly app: App
  /** What the pipeline function has returned for it. */
  readonly result: T
  readonly process: Mortal
  readonly ticker: Ticker
}

export interface TestMembersOptions<T> {
  readonly pipeline: (app: App) => T
  readonly app: Partial<Omit<AppOptions, 'clock' | 'broker' | 'store'>> & { readonly id: string }
  /** What instances are called: the first of them just that. */
  readonly named: string
  readonly clock: TestClock
  /** Makes what a member sees of broker and store. */
  process(instance: string): Mortal
  /** The broker as it is, whatever becomes of a member. */
  broker(): Broker
  /** Hears the errors of those that live; `fatal` if the member has failed by it. */
  error(error: TidemarkError, instance: string, fatal: boolean): void
}

/** The members of a test's app. Their checkpoints, and words about time, come when the test says so. */
export class TestMembers<T> {
  all: readonly TestMember<T>[] = []

  constructor(private readonly options: TestMembersOptions<T>) {}

  /** Starts one more, and lets what moves come to rest. @throws TidemarkError what `app.start` throws */
  async add(): Promise<TestMember<T>> {
    const { pipeline, clock, named } = this.options
    const taken = new Set(this.all.map(({ instance }) => instance))
    let number = 0
    while (taken.has(instanceName(named, number))) number++
    const instance = instanceName(named, number)
    const ticker = new Ticker(clock)
    const process = this.options.process(instance)
    const app = createApp({
      commitInterval: COMMIT_MS,
      watermarkInterval: STAMP_MS,
      ...this.options.app,
      instance,
      broker: process.broker,
      store: process.store,
      clock: ticker,
    })
    app.errors$.subscribe((error) => {
      if (!process.isDead) this.options.error(error, instance, error === runtimeOf(app).failure)
    })
    const member = { instance, app, result: pipeline(app), process, ticker }
    this.all = [...this.all, member]
    // It waits for tasks, which a further member may never get.
    let failure: unknown
    app.start().catch((error) => {
      failure = error
    })
    await clock.settle()
    if (failure === undefined) return member
    this.all = this.all.filter((other) => other !== member)
    await process.release()
    throw failure
  }

  /** Stops one, or kills it: then its group notices, and nothing else. */
  async end(member: TestMember<T>, isKilled: boolean): Promise<void> {
    if (isKilled) member.process.die()
    this.all = this.all.filter((other) => other !== member)
    const stopping = member.app.stop()
    await this.options.clock.settle()
    await stopping
    await member.process.release()
  }

  /** Handles all that can be handled without time passing, with as many checkpoints as that takes, or none. */
  async settle(hasCheckpoints = true): Promise<void> {
    const { clock, broker } = this.options
    await clock.settle()
    if (!hasCheckpoints) return
    for (let round = 0; ; round++) {
      const before = await logEnds(broker())
      for (const kind of ['stamp', 'commit'] as const) {
        for (const { ticker } of this.all) ticker.fire(kind)
        await clock.settle()
      }
      if ((await logEnds(broker())) === before) return
      if (round > MAX_ROUNDS) throw new Error('testApp: the app writes without end what it reads itself')
    }
  }
}

const instanceName = (named: string, number: number) => (number === 0 ? named : `${named}.${number}`)

/** How often an app may write what makes it write again before that counts as endless. */
const MAX_ROUNDS = 1_000

/** Intervals that no time reaches: the test fires what waits for them. */
const COMMIT_MS = Number.MAX_SAFE_INTEGER
const STAMP_MS = Number.MAX_SAFE_INTEGER - 1

/** The clock of one member: the test's, but checkpoints and words between tasks wait for {@link Ticker.fire}. */
class Ticker implements Clock {
  private readonly waiting = { commit: new Set<() => void>(), stamp: new Set<() => void>() }
  /** What would have happened while it stood still. */
  private held: (() => void)[] | undefined

  constructor(private readonly clock: Clock) {}

  now(): number {
    return this.clock.now()
  }

  soon(callback: () => void): void {
    this.clock.soon(() => this.run(callback))
  }

  after(ms: number, callback: () => void): () => void {
    if (ms !== COMMIT_MS && ms !== STAMP_MS) return this.clock.after(ms, () => this.run(callback))
    const waiting = this.waiting[ms === COMMIT_MS ? 'commit' : 'stamp']
    waiting.add(callback)
    return () => waiting.delete(callback)
  }

  fire(kind: 'commit' | 'stamp'): void {
    if (this.held !== undefined) return
    const callbacks = [...this.waiting[kind]]
    this.waiting[kind].clear()
    for (const callback of callbacks) callback()
  }

  /** Holds back everything, as in a process that is stopped. */
  freeze(): void {
    this.held ??= []
  }

  thaw(): void {
    const held = this.held ?? []
    this.held = undefined
    for (const callback of held) callback()
  }

  private run(callback: () => void): void {
    if (this.held === undefined) callback()
    else this.held.push(callback)
  }
}

/** Where all logs end: it has changed if anything was written. */
async function logEnds(broker: Broker): Promise<string> {
  const ends: string[] = []
  for (const topic of (await broker.topics()).keys())
    for (const { end } of await broker.ranges(topic)) ends.push(`${topic} ${end}`)
  return ends.join()
}
