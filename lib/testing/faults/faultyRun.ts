import type { App, AppOptions, Broker, Clock, StoreAdapter } from '../../index.js'
import { TidemarkError } from '../../record/errors.js'
import { around } from '../around.js'
import { crashed, type Mortal, mortal } from '../mortal.js'
import { type TestClock, testClock } from '../testClock.js'
import { type TestMember, TestMembers } from '../testMembers.js'
import { type SentRecord, type TestTopic, TestTopics } from '../testTopics.js'
import type { Fault, Operation } from './fault.js'
import { type Outcome, recordsOf, statesOf } from './outcome.js'

/** What is run: the same for all faults. */
export interface Setting {
  readonly pipeline: (app: App) => unknown
  readonly input: readonly (SentRecord & { readonly topic: string })[]
  readonly topics: { readonly [topic: string]: TestTopic }
  readonly app: Partial<AppOptions> & { readonly id: string }
  readonly store: () => StoreAdapter
  readonly broker: (store: StoreAdapter, clock: Clock) => Broker
  readonly members: number
  readonly checkpointEvery: number
}

const STORE = ['open', 'load', 'commit', 'clear', 'scopes'] as const
/** Restarts after a fault before it counts as one that the app never gets over. */
const MAX_RESTARTS = 20

/** Runs so far: each has instances of its own. */
let runs = 0

/**
 * One run over the input, with one fault or none. Where the broker keeps its topics in the app's store, all of it is one machine: if it
 * crashes, broker and members do, and what is in the store remains. Otherwise the broker goes on, and a member that crashed finds its own store.
 */
export class FaultyRun {
  /** Until the fault. */
  readonly operations: Operation[] = []
  /** Codes of errors that the fault has made members tell. */
  readonly codes: string[] = []
  hasStruck = false
  private readonly clock: TestClock
  /** Calls of stores that are under way: they may take longer than a few turns of the event loop. */
  private readonly storing = new Set<Promise<unknown>>()
  private readonly stores = new Map<string, StoreAdapter>()
  private readonly processes = new Map<string, Mortal>()
  private readonly members: TestMembers<unknown>
  private readonly named = `faults-${++runs}`
  private broker!: Broker
  private topics!: TestTopics
  /** What the broker was given to keep its topics in. */
  private disk!: StoreAdapter
  private isShared = false
  private boots = 0
  private isDown = false
  private isWatching = false
  private isLast = false
  private sent = 0
  private wanted: number
  /** The member that stands still, and what lets it go on. */
  private frozen: { readonly member: string; readonly until: Promise<void>; readonly thaw: () => void } | undefined
  private unexpected: unknown

  constructor(
    private readonly setting: Setting,
    private readonly fault?: Fault,
  ) {
    this.wanted = setting.members
    const clock = testClock()
    this.clock = {
      ...clock,
      settle: async () => {
        await clock.settle()
        while (this.storing.size > 0) {
          await Promise.allSettled(this.storing)
          await clock.settle()
        }
      },
    }
    this.members = new TestMembers({
      pipeline: setting.pipeline,
      app: setting.app,
      named: this.named,
      clock: this.clock,
      process: (instance) => this.process(instance),
      broker: () => this.broker,
      error: (error) => this.hear(error),
    })
  }

  /** @throws what went wrong beyond the fault */
  async run(): Promise<Outcome> {
    try {
      return await this.runAll()
    } finally {
      for (const member of this.members.all) await this.members.end(member, true)
    }
  }

  private async runAll(): Promise<Outcome> {
    const { setting } = this
    this.disk = this.open()
    await this.boot()
    this.isWatching = true
    await this.recover()
    for (const [index, record] of setting.input.entries()) {
      await this.unwatched(() => this.topics.send(record.topic, [record]))
      this.sent++
      if (this.fault?.of === 'record' && this.fault.at === this.sent) await this.strike(this.fault.what)
      else await this.members.settle(this.sent % setting.checkpointEvery === 0 || index === setting.input.length - 1)
      if (this.hasStruck) await this.recover()
      if (this.unexpected !== undefined) throw this.unexpected
    }
    await this.stop()
    if (this.unexpected !== undefined) throw this.unexpected
    this.isWatching = false
    const records = []
    for (const topic of Object.keys(setting.topics)) records.push(...(await this.topics.records(topic)))
    const states = this.isShared ? await statesOf(this.disk, setting.app.id) : new Map()
    await this.broker.close()
    return { records: recordsOf(records), states }
  }

  // ---- the machine

  private async boot(): Promise<void> {
    const boot = ++this.boots
    const store = around(this.disk, 'store', STORE, (operation, run) =>
      this.isDown || boot !== this.boots ? Promise.reject(crashed()) : this.ask(undefined, operation, run),
    )
    this.broker = this.setting.broker(store, this.clock)
    this.isShared = this.broker.store === store
    if (this.isShared) this.stores.set('', store)
    await this.broker.connect()
    this.topics = new TestTopics(this.broker, this.clock, this.setting.topics)
    await this.topics.create()
  }

  private process(instance: string): Mortal {
    let store = this.stores.get(this.isShared ? '' : instance)
    if (store === undefined) {
      store = this.open()
      this.stores.set(instance, store)
    }
    const process = mortal(this.broker, store, (operation, run) =>
      // The machine's store is watched as the broker's, who uses it too.
      this.isShared && operation.startsWith('store.') ? run() : this.ask(instance, operation, run),
    )
    this.processes.set(instance, process)
    return process
  }

  private open(): StoreAdapter {
    return around(this.setting.store(), 'store', STORE, (_operation, run) => {
      const storing = run()
      this.storing.add(storing)
      return storing.finally(() => this.storing.delete(storing))
    })
  }

  /** Ends every process at once, and what is being written stops where it is. */
  private crash(): void {
    for (const process of this.processes.values()) process.die()
    if (!this.isShared) return
    this.isDown = true
    // An adapter that is atomic has written all of it or nothing.
    this.disk.close().catch((error) => {
      this.unexpected ??= error
    })
  }

  // ---- the fault

  /** Every call of a member and of the machine's store comes by here. */
  private readonly ask = async <T>(member: string | undefined, name: string, run: () => Promise<T>): Promise<T> => {
    if (!this.isWatching) return run()
    if (this.frozen !== undefined && this.frozen.member === member) await this.frozen.until
    if (this.hasStruck) return run()
    this.operations.push({
      name,
      by: this.nameOf(member),
      isOfMember: member !== undefined,
      sent: this.sent,
      isLast: this.isLast,
    })
    const { fault } = this
    if (fault?.of !== 'operation' || fault.at !== this.operations.length) return run()
    this.hasStruck = true
    switch (fault.what) {
      case 'crash before':
        this.kill(member)
        throw crashed()
      case 'crash during':
        run().catch(() => {})
        this.kill(member)
        throw crashed()
      case 'crash after':
        await run()
        this.kill(member)
        throw crashed()
      case 'refuse':
        throw name.startsWith('store.')
          ? new TidemarkError('STORE_FAILED', `${name} failed, and has changed nothing`)
          : new TidemarkError('BROKER_UNAVAILABLE', `${name} failed, and has changed nothing`)
      case 'freeze before':
        await this.freeze(member as string)
        return run()
    }
  }

  private async strike(what: (Fault & { of: 'record' })['what']): Promise<void> {
    this.hasStruck = true
    if (what !== 'crash before') await this.members.settle(false)
    const first = this.members.all[0] as TestMember<unknown>
    if (what === 'join after') this.wanted++
    else if (what === 'leave after') {
      this.wanted--
      await this.members.end(first, false)
    } else if (what === 'kill after') first.process.die()
    else this.crash()
    if (what === 'leave after') await this.members.settle()
  }

  private kill(member: string | undefined): void {
    if (member === undefined) this.crash()
    else this.processes.get(member)?.die()
  }

  /** Stands still, and its group gives it up: others go on in its place. */
  private freeze(member: string): Promise<void> {
    let thaw = () => {}
    const until = new Promise<void>((resolve) => {
      thaw = resolve
    })
    this.frozen = { member, until, thaw }
    this.tickerOf(member)?.freeze()
    this.processes
      .get(member)
      ?.cutOff()
      .catch((error) => {
        this.unexpected ??= error
      })
    return until
  }

  /** The same in each run. */
  private nameOf(member: string | undefined): string {
    return member === undefined ? 'the broker' : `member ${member.slice(this.named.length + 1) || 0}`
  }

  private tickerOf(member: string) {
    return this.members.all.find(({ instance }) => instance === member)?.ticker
  }

  private hear(error: unknown): void {
    const code = (error as TidemarkError).code
    const { fault } = this
    const isDue =
      this.hasStruck &&
      ((fault?.what === 'refuse' && (code === 'STORE_FAILED' || code === 'BROKER_UNAVAILABLE')) ||
        (fault?.what === 'freeze before' && code === 'FENCED'))
    if (isDue) this.codes.push(code)
    else this.unexpected ??= error
  }

  // ---- what goes on after it

  /** Does what whoever runs the app would do: starts the machine again, and members for those that are gone. */
  private async recover(): Promise<void> {
    for (let restarts = 0; this.unexpected === undefined; restarts++) {
      if (restarts > MAX_RESTARTS) throw new Error(`after ${MAX_RESTARTS} restarts there is still no member that runs`)
      if (this.frozen !== undefined) await this.wake()
      for (const member of this.members.all) {
        if (this.isDown || member.process.isDead || member.app.stats().state === 'failed')
          await this.members.end(member, true)
      }
      if (this.isDown) {
        await this.disk.close()
        this.isDown = false
        await this.unwatched(() => this.boot())
      }
      if (this.members.all.length >= this.wanted) return
      while (this.members.all.length < this.wanted && !this.isDown) {
        try {
          await this.members.add()
        } catch (error) {
          if (!this.hasStruck) throw error
          break
        }
      }
      await this.members.settle()
    }
  }

  /** The one that stood still goes on as if nothing had been, until it finds out; then it is ended. */
  private async wake(): Promise<void> {
    const { member, thaw } = this.frozen as NonNullable<typeof this.frozen>
    this.frozen = undefined
    thaw()
    this.tickerOf(member)?.thaw()
    await this.members.settle()
    const zombie = this.members.all.find(({ instance }) => instance === member)
    if (zombie !== undefined) await this.members.end(zombie, true)
  }

  private async stop(): Promise<void> {
    this.isLast = true
    for (;;) {
      const { hasStruck } = this
      for (const member of [...this.members.all].reverse()) await this.members.end(member, false)
      if (this.hasStruck === hasStruck) return
      await this.recover()
    }
  }

  private async unwatched(run: () => Promise<void>): Promise<void> {
    const { isWatching } = this
    this.isWatching = false
    await run()
    this.isWatching = isWatching
  }
}
