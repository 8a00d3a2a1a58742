import type { Broker, Clock, StoreAdapter } from '../index.js'
import { type Around, around } from './around.js'
import { crashed, type Mortal, mortal } from './mortal.js'
import { type TestClock, testClock } from './testClock.js'

export interface MachineOptions {
  readonly store: () => StoreAdapter
  readonly broker: (store: StoreAdapter, clock: Clock) => Broker
  /** Every call comes by here: of a member, or of the broker that keeps its topics in the store. */
  ask<T>(member: string | undefined, operation: string, run: () => Promise<T>): Promise<T>
}

const STORE = ['open', 'load', 'commit', 'clear', 'scopes'] as const

/**
 * What an app runs on. Where the broker keeps its topics in the app's store, all of it is one machine: if it crashes, broker and members do,
 * and what is in the store remains. Otherwise the broker goes on, and each member has a store of its own, which it finds again.
 */
export class Machine {
  readonly clock: TestClock
  broker!: Broker
  /** Whether the broker keeps its topics in the app's store. */
  isShared = false
  isDown = false
  /** What the broker was given to keep its topics in. */
  readonly disk: StoreAdapter
  private readonly stores = new Map<string, StoreAdapter>()
  private readonly processes = new Map<string, Mortal>()
  /** Calls of stores that are under way: they may take longer than a few turns of the event loop. */
  private readonly storing = new Set<Promise<unknown>>()
  private boots = 0

  constructor(private readonly options: MachineOptions) {
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
    this.disk = this.newStore()
  }

  private newStore(): StoreAdapter {
    return around(this.options.store(), 'store', STORE, (_operation, run) => {
      const storing = run()
      this.storing.add(storing)
      return storing.finally(() => this.storing.delete(storing))
    })
  }

  /** Starts the broker, over what was there before. */
  async boot(): Promise<void> {
    if (this.isDown) await this.disk.close()
    this.isDown = false
    const boot = ++this.boots
    const store = around(this.disk, 'store', STORE, (operation, run) =>
      this.isDown || boot !== this.boots ? Promise.reject(crashed()) : this.options.ask(undefined, operation, run),
    )
    this.broker = this.options.broker(store, this.clock)
    this.isShared = this.broker.store === store
    if (this.isShared) this.stores.set('', store)
    await this.broker.connect()
  }

  /** A member's process: a new one, over what the member's last one had. */
  process(member: string): Mortal {
    const name = this.isShared ? '' : member
    const store = this.stores.get(name) ?? this.newStore()
    this.stores.set(name, store)
    const ask: Around = (operation, run) =>
      // The machine's store asks for itself, as the broker uses it too.
      this.isShared && operation.startsWith('store.') ? run() : this.options.ask(member, operation, run)
    const process = mortal(this.broker, store, ask)
    this.processes.set(member, process)
    return process
  }

  /** Ends a member's process; without one all of them, and what is being written stops where it is. */
  async crash(member?: string): Promise<void> {
    if (member !== undefined) {
      this.processes.get(member)?.die()
      return
    }
    for (const process of this.processes.values()) process.die()
    if (!this.isShared) return
    this.isDown = true
    // An adapter that is atomic has written all of it or nothing.
    await this.disk.close()
  }

  /** The group gives a member up, which isn't told. */
  async cutOff(member: string, group: string): Promise<void> {
    await this.processes.get(member)?.cutOff(group)
  }
}
