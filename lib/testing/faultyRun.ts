import type { App, AppOptions, Broker, Clock, StoreAdapter } from '../index.js'
import { TidemarkError } from '../record/errors.js'
import type { Fault, Operation } from './fault.js'
import { Machine } from './machine.js'
import { crashed } from './mortal.js'
import { changelogsOf, type Outcome, recordsOf, statesOf } from './outcome.js'
import { type TestMember, TestMembers } from './testMembers.js'
import { type SentRecord, type TestTopic, TestTopics } from './testTopics.js'

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

/** Restarts after a fault before it counts as one that the app never gets over. */
const MAX_RESTARTS = 20

/** Longer than a member waits before it joins its group again. */
const REJOIN_MS = 1_000

/** Runs so far: each has instances of its own. */
let runs = 0

/** One run over the input, with one fault or none. */
export class FaultyRun {
  /** Until the fault. */
  readonly operations: Operation[] = []
  /** Codes of errors that the fault has made members tell. */
  readonly codes: string[] = []
  hasStruck = false
  private readonly named = `faults-${++runs}`
  private readonly machine: Machine
  private readonly members: TestMembers<unknown>
  private topics!: TestTopics
  private isWatching = false
  private isLast = false
  private sent = 0
  private wanted: number
  /** The member that stands still, and what lets it go on. */
  private frozen: { readonly member: string; readonly until: Promise<void>; readonly thaw: () => void } | undefined
  /** The last member that committed a transaction. */
  private committing: string | undefined
  private unexpected: unknown

  constructor(
    private readonly setting: Setting,
    private readonly fault?: Fault,
  ) {
    const { pipeline, app, store, broker, members } = setting
    this.wanted = members
    this.machine = new Machine({ store, broker, ask: (member, name, run) => this.ask(member, name, run) })
    this.members = new TestMembers({
      pipeline,
      app,
      named: this.named,
      clock: this.machine.clock,
      process: (instance) => this.machine.process(instance),
      broker: () => this.machine.broker,
      error: (error) => this.hear(error),
    })
  }

  /** @throws what went wrong beyond the fault */
  async run(): Promise<Outcome> {
    try {
      return await this.runAll()
    } finally {
      // The end of one that stands still would wait for what it has begun.
      this.thaw()
      for (const member of this.members.all) await this.members.end(member, true)
    }
  }

  private async runAll(): Promise<Outcome> {
    const { setting } = this
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
    const { disk, broker, clock, isShared } = this.machine
    const { id } = setting.app
    const states = await (isShared ? statesOf(disk, id) : changelogsOf(broker, id, clock.settle))
    await broker.close()
    return { records: recordsOf(records), states }
  }

  private async boot(): Promise<void> {
    await this.machine.boot()
    this.topics = new TestTopics(this.machine.broker, this.machine.clock, this.setting.topics)
    await this.topics.create()
  }

  // ---- the fault

  private async ask<T>(member: string | undefined, name: string, run: () => Promise<T>): Promise<T> {
    if (!this.isWatching) return run()
    if (name === 'transaction.commit') this.committing = member
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
        this.crash(member)
        throw crashed()
      case 'crash during':
        run().catch(() => {})
        this.crash(member)
        throw crashed()
      case 'crash after':
        await run()
        this.crash(member)
        throw crashed()
      case 'refuse':
        throw name.startsWith('store.')
          ? new TidemarkError('STORE_FAILED', `${name} failed, and has changed nothing`)
          : new TidemarkError('BROKER_UNAVAILABLE', `${name} failed, and has changed nothing`)
      case 'freeze before':
        // The broker's store is slow, and whoever waits for it is given up meanwhile.
        if ((member ?? this.committing) !== undefined) await this.freeze((member ?? this.committing) as string)
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

  private crash(member?: string): void {
    this.machine.crash(member).catch((error) => {
      this.unexpected ??= error
    })
  }

  /** Stands still, and its group gives it up: others go on in its place. */
  private freeze(member: string): Promise<void> {
    let thaw = () => {}
    const until = new Promise<void>((resolve) => {
      thaw = resolve
    })
    this.frozen = { member, until, thaw }
    this.tickerOf(member)?.freeze()
    this.machine.cutOff(member, this.setting.app.id).catch((error) => {
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

  /** Does what whoever runs the app would do: starts the machine again, and members for those that are gone. Ends when there is nothing left to do. */
  private async recover(): Promise<void> {
    const { machine, members } = this
    for (let restarts = 0, isWhole = false; !isWhole && this.unexpected === undefined; restarts++) {
      if (restarts > MAX_RESTARTS) throw new Error(`after ${MAX_RESTARTS} restarts there is still no member that runs`)
      await this.wake()
      for (const member of members.all) {
        if (machine.isDown || member.process.isDead || member.app.stats().state === 'failed')
          await members.end(member, true)
      }
      if (machine.isDown) await this.unwatched(() => this.boot())
      isWhole = members.all.length >= this.wanted
      while (members.all.length < this.wanted && !machine.isDown) {
        try {
          await members.add()
        } catch (error) {
          if (!this.hasStruck) throw error
          break
        }
      }
      // One that has lost its place waits before it joins again.
      if (this.hasStruck) await machine.clock.advance(REJOIN_MS)
      await members.settle()
    }
  }

  /** The one that stands still goes on as if nothing had been, until it finds out. */
  private async wake(): Promise<void> {
    if (this.frozen === undefined) return
    this.thaw()
    await this.members.settle()
  }

  private thaw(): void {
    if (this.frozen === undefined) return
    const { member, thaw } = this.frozen
    this.frozen = undefined
    thaw()
    this.tickerOf(member)?.thaw()
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
