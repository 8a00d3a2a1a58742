import type { Broker, OutRecord, Position, TransactionalProducer } from '../ports/broker.js'
import type { Clock } from '../ports/clock.js'
import { partitionKey } from '../ports/partitionKey.js'
import type { StoreChanges } from '../ports/store.js'
import { TidemarkError } from '../record/errors.js'

/** What is committed is visible within moments, but where another writer's transaction is open. */
const VISIBLE_MS = 60_000

/** What a slot's tasks commit together. */
export interface SlotCommit {
  readonly records: readonly OutRecord[]
  readonly positions: readonly Position[]
  /** Changes for the broker's own store. */
  readonly along: readonly StoreChanges[]
}

/** The slots of this process, each with its transactional producer. Partition p of every topic belongs to slot p mod their number. */
export class Slots {
  private readonly producers = new Map<number, TransactionalProducer>()
  /** Where partitions that were written to go on. */
  private readonly ends = new Map<string, Position>()

  constructor(
    private readonly app: string,
    private readonly broker: Broker,
    readonly count: number,
  ) {}

  of(partition: number): number {
    return partition % this.count
  }

  /** Fences a slot's former owner, and ends what it left open: before the slot's offsets and changelogs are read. */
  async open(slot: number): Promise<void> {
    if (this.producers.has(slot)) return
    const producer = await this.broker.transactionalProducer(`${this.app}-${slot}`)
    this.producers.set(slot, producer)
    await (await producer.begin()).abort()
  }

  /**
   * Records and offsets in one transaction.
   *
   * @returns where each partition that was written to goes on
   */
  async commit(slot: number, { records, positions, along }: SlotCommit): Promise<readonly Position[]> {
    const transaction = await (this.producers.get(slot) as TransactionalProducer).begin()
    if (records.length > 0) await transaction.send(records)
    await transaction.sendOffsets(this.app, positions)
    const ends = await transaction.commit(along)
    for (const end of ends) this.ends.set(partitionKey(end), end)
    return ends
  }

  /**
   * Waits until readers see all that has been committed.
   *
   * @param isAwaited false ends it early
   * @throws TidemarkError `BAD_STATE` if they don't within a minute
   */
  async visible(clock: Clock, isAwaited: () => boolean): Promise<void> {
    const ends = [...this.ends.values()]
    this.ends.clear()
    const until = clock.now() + VISIBLE_MS
    for (const { topic, partition, offset } of ends) {
      while (isAwaited() && ((await this.broker.ranges(topic))[partition]?.end ?? offset) < offset) {
        if (clock.now() >= until) throw notVisible({ app: this.app, topic, partition, offset })
        await new Promise<void>((resolve) => void clock.after(1, resolve))
      }
    }
  }

  /** Lets go of all but these. */
  async keep(slots: ReadonlySet<number>): Promise<void> {
    const gone = [...this.producers].filter(([slot]) => !slots.has(slot))
    for (const [slot] of gone) this.producers.delete(slot)
    await Promise.all(gone.map(([, producer]) => producer.close()))
  }
}

const notVisible = (place: Position & { readonly app: string }) =>
  new TidemarkError(
    'BAD_STATE',
    `what the app has written isn't visible after ${VISIBLE_MS / 1000} s: another writer's transaction is open, or the topic was made anew meanwhile; try again`,
    place,
  )
