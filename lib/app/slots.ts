import type { Broker, OutRecord, Position, TransactionalProducer } from '../ports/broker.js'
import type { StoreAdapter, StoreChanges } from '../ports/store.js'
import type { RowsWrite } from './waitingRows.js'

/** What a slot's tasks commit together. */
export interface SlotCommit {
  readonly slot: number
  readonly records: readonly OutRecord[]
  readonly changes: readonly StoreChanges[]
  readonly positions: readonly Position[]
  readonly rows: RowsWrite | undefined
}

/** The slots of this process, each with its transactional producer. Partition p of every topic belongs to slot p mod their number. */
export class Slots {
  private readonly producers = new Map<number, TransactionalProducer>()

  constructor(
    private readonly app: string,
    private readonly broker: Broker,
    private readonly store: StoreAdapter,
    readonly count: number,
  ) {}

  of(partition: number): number {
    return partition % this.count
  }

  async open(slot: number): Promise<void> {
    if (this.producers.has(slot)) return
    const producer = await this.broker.transactionalProducer(`${this.app}-${slot}`)
    this.producers.set(slot, producer)
    // Fences the slot's former owner, and ends what it left open, before its offsets are read.
    await (await producer.begin()).abort()
  }

  /** Exactly once: outputs and offsets in a transaction, and with them the state where the broker's store is ours. */
  async commit({ slot, records, changes, positions, rows }: SlotCommit): Promise<void> {
    const { app, broker, store } = this
    const transaction = await (this.producers.get(slot) as TransactionalProducer).begin()
    if (records.length > 0) await transaction.send(records)
    await transaction.sendOffsets(app, positions)
    await transaction.commit(broker.store === store ? changes : undefined)
    if (broker.store !== store) await store.commit(changes, rows)
  }

  /** Lets go of all but these. */
  async keep(slots: ReadonlySet<number>): Promise<void> {
    for (const [slot, producer] of this.producers) {
      if (slots.has(slot)) continue
      this.producers.delete(slot)
      await producer.close()
    }
  }

  /** The producers, for the end. */
  get all(): Iterable<TransactionalProducer> {
    return this.producers.values()
  }
}
