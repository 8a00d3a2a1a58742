import type { Broker } from '../../ports/broker.js'
import { loadAll } from '../../ports/loadAll.js'
import type { StoreAdapter, StoreChanges } from '../../ports/store.js'

const SCOPE = 'broker/tabs'
const NOTHING = new Uint8Array()

/**
 * The requests of other tabs that have been carried out, and that those tabs may ask again for, as nobody has told them yet: in the broker's
 * store, each in the very commit that carried it out. What a tab has heard of is forgotten with its next one, all of a tab when that ends.
 */
export class Done {
  private readonly byTab = new Map<string, Set<number>>()

  constructor(
    private readonly broker: Broker,
    private readonly store: StoreAdapter,
  ) {}

  async load(): Promise<void> {
    for (const [key] of await loadAll(this.store, SCOPE)) {
      const [tab, id] = key.split(' ') as [string, string]
      this.of(tab).add(Number(id))
    }
  }

  get tabs(): readonly string[] {
    return [...this.byTab.keys()]
  }

  has(tab: string, id: number): boolean {
    return this.byTab.get(tab)?.has(id) === true
  }

  /** What to store along with a request, of which the tab says that all below `open` have been answered. */
  along(tab: string, id: number, open: number): StoreChanges[] {
    const heardOf = [...this.of(tab)].filter((other) => other < open)
    return [
      {
        scope: SCOPE,
        entries: [[keyOf(tab, id), NOTHING], ...heardOf.map((other) => [keyOf(tab, other), null] as const)],
      },
    ]
  }

  /** To be called when that is stored. */
  add(tab: string, id: number, open: number): void {
    const known = this.of(tab)
    for (const other of known) if (other < open) known.delete(other)
    known.add(id)
  }

  /** Forgets a tab that has ended. */
  async forget(tab: string): Promise<void> {
    const known = this.byTab.get(tab)
    if (known === undefined) return
    this.byTab.delete(tab)
    const producer = await this.broker.producer()
    await producer.send([], [{ scope: SCOPE, entries: [...known].map((id) => [keyOf(tab, id), null] as const) }])
    await producer.close()
  }

  private of(tab: string): Set<number> {
    let known = this.byTab.get(tab)
    if (known === undefined) {
      known = new Set()
      this.byTab.set(tab, known)
    }
    return known
  }
}

const keyOf = (tab: string, id: number) => `${tab} ${id}`
