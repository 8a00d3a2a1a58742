import type { Broker, PartitionRange } from '../ports/broker.js'
import type { Clock } from '../ports/clock.js'
import type { StoreAdapter, StoreEntry } from '../ports/store.js'
import { utf8 } from '../record/serde.js'
import {
  changelogRange,
  changelogsOf,
  changelogTopic,
  type Heads,
  MARK,
  type Mark,
  readChangelog,
  TaskChangelog,
} from './changelog.js'
import { type ChangelogPart, mergeParts } from './changelogPlans.js'
import { ChangelogTail } from './changelogTail.js'
import { MANIFEST, manifestEntry, readManifest, readPlan, Snapshot } from './checkpoint.js'
import type { SubTopology } from './plan.js'
import type { ReadThrough } from './readThrough.js'
import { PLAN, planEntry } from './storedPlan.js'
import { checkpointScope } from './taskScopes.js'

/** How far the restore of a task is. */
export interface RestoreStats {
  /** Records of changelogs that have been read, and that are left. */
  readonly records: number
  readonly remaining: number
  /** At the speed so far, ms; undefined before anything was read. */
  readonly remainingMs: number | undefined
}

export interface RestoreOptions {
  readonly app: string
  readonly task: string
  readonly sub: SubTopology
  readonly partition: number
  readonly broker: Broker
  readonly store: Pick<StoreAdapter, 'load' | 'claim'>
  readonly clock: Clock
  /** Whether the task's states have changelogs. */
  readonly hasChangelogs: boolean
  /** There if values stay in the local store: then all that changelogs hold is there too, before the task begins. */
  readonly readThrough: ReadThrough | undefined
  /** Its owner runs elsewhere and goes on writing. */
  readonly isStandby?: boolean
}

/** What a task begins with. */
export interface Restored {
  readonly snapshot: Snapshot
  readonly changelog: TaskChangelog | undefined
  /** What the local store lacks of it. */
  readonly missing: readonly StoreEntry[]
  /** Whether nothing of the local checkpoint was used. */
  readonly isWhole: boolean
}

/** What it takes to begin. */
interface Copied extends Omit<Restored, 'snapshot'> {
  /** Undefined where the local store has it. */
  readonly snapshot: Snapshot | undefined
}

/** Kafka keeps deletes for a day by default, after which a checkpoint from before would never hear of them. */
const TRUST_MS = 20 * 3_600_000

/**
 * Brings back the state of one task: from the local checkpoint, and from what its changelogs hold beyond it; from the changelogs alone where there is no
 * local checkpoint, or none that can be trusted: too old, of a log that was deleted meanwhile, or ahead of it.
 *
 * The slot's producer must have been taken over before, so that no former owner can write any more.
 */
export class Restore {
  private read = 0
  private total = 0
  private beganAt: number
  isCancelled = false
  /** Whether it has begun to read changelogs, and is not through. */
  get isReading(): boolean {
    return this.total > this.read
  }

  constructor(private readonly options: RestoreOptions) {
    this.beganAt = options.clock.now()
  }

  stats(): RestoreStats {
    const remaining = Math.max(0, this.total - this.read)
    const tookMs = this.options.clock.now() - this.beganAt
    return {
      records: this.read,
      remaining,
      remainingMs: this.read === 0 ? undefined : Math.round((tookMs / this.read) * remaining),
    }
  }

  /** @throws TidemarkError `STORE_FAILED`, `BROKER_UNAVAILABLE` */
  async run(): Promise<Restored> {
    const { snapshot, ...copied } = await this.copy()
    return { ...copied, snapshot: snapshot ?? (await this.stored()) }
  }

  /** The same for who begins no task: where values stay in the store, it is there, and that is all. */
  async copy(): Promise<Copied> {
    const { app, sub, partition, broker, store, hasChangelogs, readThrough } = this.options
    // From here on the former owner, if it still lives, commits nothing.
    await store.claim?.(this.scope)
    const kept = hasChangelogs ? changelogsOf(sub) : []
    // What changelogs hold beyond it is read first, where it goes through the store.
    const local = kept.length === 0 || readThrough === undefined ? await this.stored() : undefined
    if (local !== undefined && kept.length === 0)
      return { snapshot: local, changelog: undefined, missing: [], isWhole: false }
    const head = (key: string) => (local === undefined ? readThrough?.find(this.scope, key) : local.head(key))
    const bytes = head(MARK)
    const mark = bytes === undefined ? undefined : (JSON.parse(utf8.decode(bytes)) as Mark)
    const ranges = new Map<string, PartitionRange>()
    for (const state of kept) ranges.set(state, await changelogRange(broker, app, state, partition))
    return (
      (mark !== undefined && this.isTrusted(mark, ranges)
        ? await this.goOn(ranges, { mark, heads: { manifest: head(MANIFEST), plan: head(PLAN) }, snapshot: local })
        : undefined) ??
      (await this.goOn(ranges)) ??
      (await this.empty(ranges))
    )
  }

  private get scope(): string {
    const { app, sub, partition } = this.options
    return checkpointScope(app, sub, partition)
  }

  /** What the local store has. */
  private async stored(): Promise<Snapshot> {
    const snapshot = this.newSnapshot()
    await this.options.store.load(this.scope, (entries) => snapshot.add(entries))
    return snapshot
  }

  private newSnapshot(): Snapshot {
    const { task, readThrough } = this.options
    const { scope } = this
    return new Snapshot(
      task,
      readThrough && { maxBytes: readThrough.maxBytes, read: (key) => readThrough.read(scope, key) },
    )
  }

  private isTrusted({ at, offsets }: Mark, ranges: ReadonlyMap<string, PartitionRange>): boolean {
    return (
      this.options.clock.now() - at < TRUST_MS &&
      [...ranges].every(([state, { start, end }]) => {
        const offset = offsets[state]
        // A state that the plan didn't have then: its changelog is read whole.
        return offset === undefined || (offset >= start && offset <= end)
      })
    )
  }

  /** Reads the changelogs on top of the local checkpoint, or from their start; undefined if it turns out that they aren't of one history. */
  private async goOn(ranges: ReadonlyMap<string, PartitionRange>, local?: Local): Promise<Copied | undefined> {
    const { app, task, partition, clock, readThrough } = this.options
    const mark = local?.mark
    const tail = new ChangelogTail(readThrough && { store: readThrough.store, scope: this.scope, isWhole: !local })
    const stretches = [...ranges].map(([state, { start, end }]) => ({
      state,
      from: mark?.offsets[state] ?? start,
      to: end,
    }))
    this.read = 0
    this.total = stretches.reduce((sum, { from, to }) => sum + to - from, 0)
    const reading = stretches.map(({ state, from, to }) => this.readState(state, from, to, tail))
    const known = await Promise.all(reading).catch(async (error) => {
      // The others would go on writing to a scope that may be another's by then.
      tail.isGivenUp = true
      await Promise.allSettled(reading)
      throw error
    })
    if (this.isCancelled) throw new RestoreCancelled()
    const parts = known.flatMap(({ state, ...own }): ChangelogPart[] => {
      // What was written since the local checkpoint, else what that says; of a state that it doesn't have it says nothing.
      const { manifest, plan } = mark?.offsets[state] === undefined ? own : { ...local?.heads, ...own }
      const part = { manifest: readManifest(task, manifest), plan: readPlan(task, plan) }
      return part.manifest === undefined || part.plan === undefined ? [] : [{ state, ...part } as ChangelogPart]
    })
    // What the owner has just committed is seen in one changelog before it is in another, and would be taken for a state that has been left out.
    if (this.options.isStandby && isTorn(parts, ranges.size)) throw new RestoreCancelled()
    const merged = mergeParts(parts)
    if (merged === undefined || (mark !== undefined && merged.manifest.history !== mark.history)) return undefined
    for (const [key, value] of [manifestEntry(merged.manifest), planEntry(merged.plan)]) tail.add(key, value)
    const offsets = new Map(stretches.map(({ state, to }) => [state, to]))
    const { history = newHistory(), checkpoint = 0 } = merged.manifest
    const changelog = new TaskChangelog(app, [...ranges.keys()], partition, history, checkpoint, offsets)
    if (readThrough !== undefined) {
      await tail.end(changelog.mark(clock.now()))
      return { snapshot: undefined, changelog, missing: [], isWhole: false }
    }
    const snapshot = local?.snapshot ?? this.newSnapshot()
    snapshot.update(tail.entries)
    return { snapshot, changelog, missing: [...tail.entries], isWhole: mark === undefined }
  }

  private async readState(state: string, from: number, to: number, tail: ChangelogTail) {
    const { app, partition, broker } = this.options
    const stretch = { topic: changelogTopic(app, state), partition, from, to }
    const head = await readChangelog(
      broker,
      stretch,
      (key, value) => tail.add(key, value),
      (offsets) => {
        if (this.isCancelled || tail.isGivenUp) throw new RestoreCancelled()
        this.read += offsets
        return tail.flush()
      },
    )
    return { state, ...head }
  }

  /** Nothing was ever written. */
  private async empty(ranges: ReadonlyMap<string, PartitionRange>): Promise<Restored> {
    const { app, partition, clock, readThrough } = this.options
    const offsets = new Map([...ranges].map(([state, { end }]) => [state, end]))
    const changelog = new TaskChangelog(app, [...ranges.keys()], partition, newHistory(), 0, offsets)
    if (readThrough !== undefined)
      await readThrough.store.commit([{ scope: this.scope, entries: [changelog.mark(clock.now())], reset: true }])
    return { snapshot: this.newSnapshot(), changelog, missing: [], isWhole: readThrough === undefined }
  }
}

/** A local checkpoint from which a restore goes on. */
interface Local {
  readonly mark: Mark
  readonly heads: Heads
  /** Undefined where values stay in the store: it is read when that has all of them. */
  readonly snapshot: Snapshot | undefined
}

/** Whether they aren't of one checkpoint. @param count of the states */
const isTorn = (parts: readonly ChangelogPart[], count: number): boolean =>
  parts.length > 0 && (parts.length < count || new Set(parts.map(({ manifest }) => manifest.checkpoint)).size > 1)

/** The task was taken away before it was restored; or a copy can't be taken yet. */
export class RestoreCancelled extends Error {}

/** Names a life of changelogs that begins now. */
export const newHistory = (): string => `${Date.now().toString(36)}${Math.random().toString(36).slice(2, 10)}`
