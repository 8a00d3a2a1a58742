import type { Broker, Consumer, OutRecord, Position, Producer } from '../ports/broker.js'
import type { Clock } from '../ports/clock.js'
import type { StoreAdapter, StoreChanges, StoreEntry } from '../ports/store.js'
import { Outbox } from './outbox.js'
import type { Restored } from './restore.js'
import type { Slots } from './slots.js'
import type { TaskScope } from './taskScope.js'
import { checkpointScope } from './taskScopes.js'
import { type RowsWrite, together } from './waitingRows.js'

/**
 * `exactly-once`: outputs become visible together with the offsets of what they came from. `at-least-once`: they leave at once, and may be
 * repeated after a crash. State counts each record of a topic once in both; what `keyBy` repeats counts again behind it.
 */
export type Guarantee = 'exactly-once' | 'at-least-once'

/** What keeps a task's state and its offsets together: the transaction of the broker's own store, changelogs in the broker, or the app's store. */
export type StateKeeper = 'broker' | 'changelogs' | 'store'

export interface CommitterOptions {
  readonly app: string
  readonly broker: Broker
  readonly store: StoreAdapter
  readonly clock: Clock
  readonly guarantee: Guarantee
  readonly keeper: StateKeeper
  readonly slots: Slots
  consumer(): Promise<Consumer>
  /** Outputs have been acknowledged. */
  sent(): void
  error(error: unknown): void
  /** The app goes on after it. */
  report(error: unknown): void
}

/** Entries of a restored task that go to the local store at a time. */
const ADOPTED_AT_ONCE = 20_000

/** Takes what tasks have written and changed to the broker and to the store, in the order that the app's guarantee asks for. */
export class Committer {
  private readonly outbox: Outbox | undefined
  /** Of outputs that are in a commit. */
  private committingBytes = 0
  /** Tasks whose local checkpoint is being brought up to what they were restored to. */
  private readonly adoptions = new Map<TaskScope, Adoption>()

  constructor(
    private readonly options: CommitterOptions,
    /** Where nothing waits for a transaction. */
    private readonly producer: Producer | undefined,
  ) {
    if (producer !== undefined) this.outbox = new Outbox(producer, options.sent, options.error)
  }

  static async open(options: CommitterOptions): Promise<Committer> {
    const isImmediate = options.guarantee === 'at-least-once'
    return new Committer(options, isImmediate ? await options.broker.producer() : undefined)
  }

  /** Resolves when nothing of it writes any more. */
  async close(): Promise<void> {
    await Promise.all([...this.adoptions.keys()].map((task) => this.abandon(task)))
    await this.producer?.close()
  }

  /** About what outputs take in memory that the broker has yet to acknowledge, those included that wait for a checkpoint. */
  unsentBytes(tasks: Iterable<TaskScope>): number {
    let bytes = this.committingBytes + (this.outbox?.bytes ?? 0)
    for (const task of tasks) bytes += task.output.bytes
    return bytes
  }

  /** Whether only a checkpoint lets some of them go. */
  needsCheckpoint(tasks: readonly TaskScope[]): boolean {
    return this.outbox === undefined || tasks.some(({ output }) => output.rows.count > 0)
  }

  /** Without a transaction, outputs leave as soon as they are there. */
  collect(tasks: Iterable<TaskScope>): void {
    const { outbox } = this
    if (outbox === undefined) return
    for (const { output } of tasks) {
      const { bytes } = output
      if (output.records.length > 0) outbox.add(output.take(), bytes)
    }
    outbox.flush()
  }

  /**
   * Commits the tasks as they are at the call: nothing is awaited before all has been taken down.
   *
   * @throws TidemarkError `FENCED`, `BROKER_UNAVAILABLE`, `STORE_FAILED`, `NOT_SERIALISABLE`
   */
  async commit(tasks: readonly TaskScope[]): Promise<void> {
    const { keeper, guarantee } = this.options
    this.collect(tasks)
    const bytes = tasks.reduce((sum, task) => sum + task.output.bytes, 0)
    const parts = tasks.map((task) => ({
      task,
      output: task.output.take(),
      entries: task.takeCheckpoint(),
      rows: task.output.rows.take(),
      positions: task.positions,
    }))
    this.committingBytes += bytes
    try {
      await this.outbox?.sent()
      if (guarantee === 'exactly-once' || keeper === 'changelogs') await this.commitInSlots(parts)
      else await this.commitToStore(parts)
    } finally {
      this.committingBytes -= bytes
    }
  }

  /** State and offsets are stored in one; then the group hears of it. */
  private async commitToStore(parts: readonly Part[]): Promise<void> {
    await this.options.store.commit(
      parts.map(({ task, entries }) => this.changes(task, entries)),
      together(parts.flatMap(({ rows }) => rows)),
    )
    for (const { task } of parts) task.written()
    try {
      await (await this.options.consumer()).commit(parts.flatMap(({ positions }) => positions))
    } catch (error) {
      // The checkpoint holds the offsets that count; the group's are for those who watch lag.
      this.options.report(error)
    }
  }

  /** A transaction per slot, all at a time. */
  private async commitInSlots(parts: readonly Part[]): Promise<void> {
    const bySlot = new Map<number, Part[]>()
    for (const part of parts) {
      const slot = this.options.slots.of(part.task.partition)
      bySlot.set(slot, [...(bySlot.get(slot) ?? []), part])
    }
    const results = await Promise.allSettled([...bySlot].map(([slot, members]) => this.commitSlot(slot, members)))
    for (const result of results) if (result.status === 'rejected') throw result.reason
  }

  private async commitSlot(slot: number, parts: readonly Part[]): Promise<void> {
    const { keeper, slots, store, clock } = this.options
    const changes = keeper === 'changelogs' ? [] : parts.map(({ task, entries }) => this.changes(task, entries))
    const now = clock.now()
    const ends = await slots.commit(slot, {
      records: parts.flatMap(({ task, output, entries }) => [
        ...output,
        ...(task.changelog?.records(entries, now) ?? []),
      ]),
      positions: parts.flatMap(({ positions }) => positions),
      along: keeper === 'broker' ? changes : [],
    })
    for (const { task } of parts) task.changelog?.written(ends)
    if (keeper === 'store') await store.commit(changes, together(parts.flatMap(({ rows }) => rows)))
    else if (keeper === 'changelogs' && store.durable) await this.commitLocally(parts)
    for (const { task } of parts) task.written()
  }

  private async commitLocally(parts: readonly Part[]): Promise<void> {
    const changes: StoreChanges[] = []
    for (const { task, entries } of parts) {
      const mark = task.changelog?.mark(this.options.clock.now())
      const marked = this.changes(task, mark === undefined ? entries : [...entries, mark])
      const adoption = this.adoptions.get(task)
      // Behind what it was restored to, which may take long: nobody else waits for that.
      if (adoption !== undefined) adoption.pieces.push(marked)
      else changes.push(marked)
    }
    if (changes.length > 0) await this.options.store.commit(changes)
  }

  /** Brings the local store up to what a task was restored to, while it runs. */
  adopt(task: TaskScope, { missing, isWhole }: Restored): void {
    const { store, clock } = this.options
    if (task.changelog === undefined) return
    if (!store.durable) {
      // The task has what the copy was for, and nothing is written to it any more.
      if (!isWhole) store.clear(this.changes(task, []).scope).catch(this.options.error)
      return
    }
    if (missing.length === 0 && !isWhole) return
    const mark = task.changelog.mark(clock.now())
    const pieces: StoreChanges[] = []
    for (let at = 0; at === 0 || at < missing.length; at += ADOPTED_AT_ONCE) {
      const isLast = at + ADOPTED_AT_ONCE >= missing.length
      // Until all of it is there, nothing says how far it is: a crash in between makes it be restored as a whole.
      const entries = [...missing.slice(at, at + ADOPTED_AT_ONCE), isLast ? mark : ([mark[0], null] as const)]
      pieces.push({ ...this.changes(task, entries), reset: isWhole && at === 0 })
    }
    const adoption: Adoption = { pieces, written: Promise.resolve() }
    this.adoptions.set(task, adoption)
    adoption.written = this.write(task, adoption)
    adoption.written.catch(this.options.error)
  }

  private async write(task: TaskScope, { pieces }: Adoption): Promise<void> {
    for (let piece = pieces.shift(); piece !== undefined; piece = pieces.shift())
      await this.options.store.commit([piece])
    this.adoptions.delete(task)
  }

  /** The task has ended: what it has yet to write to the local store isn't written any more. */
  async abandon(task: TaskScope): Promise<void> {
    const adoption = this.adoptions.get(task)
    if (adoption === undefined) return
    adoption.pieces.length = 0
    await adoption.written.catch(() => {})
  }

  private changes(task: TaskScope, entries: readonly StoreEntry[]): StoreChanges {
    return { scope: checkpointScope(this.options.app, task.sub, task.partition), entries }
  }
}

/** What goes to the local store piece by piece, in order. */
interface Adoption {
  readonly pieces: StoreChanges[]
  written: Promise<void>
}

interface Part {
  readonly task: TaskScope
  readonly output: readonly OutRecord[]
  readonly entries: readonly StoreEntry[]
  readonly rows: readonly RowsWrite[]
  readonly positions: readonly Position[]
}
