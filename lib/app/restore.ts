import type { Broker, PartitionRange } from '../ports/broker.js'
import type { Clock } from '../ports/clock.js'
import type { StoreAdapter, StoreEntry } from '../ports/store.js'
import { utf8 } from '../record/serde.js'
import { changelogsOf, changelogTopic, type Heads, MARK, type Mark, readChangelog, TaskChangelog } from './changelog.js'
import { type ChangelogPart, mergeParts } from './changelogPlans.js'
import { MANIFEST, manifestEntry, readManifest, readPlan, Snapshot, stateOf } from './checkpoint.js'
import type { SubTopology } from './plan.js'
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
    const { app, task, sub, partition, store, hasChangelogs } = this.options
    const scope = checkpointScope(app, sub, partition)
    // From here on the former owner, if it still lives, commits nothing.
    await store.claim?.(scope)
    const local = [...(await store.load(scope))]
    const kept = hasChangelogs ? changelogsOf(sub) : []
    if (kept.length === 0)
      return { snapshot: new Snapshot(task, local), changelog: undefined, missing: [], isWhole: false }
    const mark = markIn(local)
    const ranges = new Map<string, PartitionRange>()
    for (const state of kept) ranges.set(state, await this.range(state))
    return (
      (mark !== undefined && this.isTrusted(mark, ranges) ? await this.goOn(local, mark, ranges) : undefined) ??
      (await this.goOn([], undefined, ranges)) ??
      this.empty(ranges)
    )
  }

  private async range(state: string): Promise<PartitionRange> {
    const ranges = await this.options.broker.ranges(changelogTopic(this.options.app, state))
    return ranges[this.options.partition] ?? { start: 0, end: 0 }
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

  /** Reads the changelogs on top of `local`; undefined if it turns out that they aren't of one history. */
  private async goOn(
    local: Iterable<Entry>,
    mark: Mark | undefined,
    ranges: ReadonlyMap<string, PartitionRange>,
  ): Promise<Restored | undefined> {
    const { app, task, partition } = this.options
    const tail = new Map<string, Uint8Array | null>()
    const stretches = [...ranges].map(([state, { start, end }]) => ({
      state,
      from: mark?.offsets[state] ?? start,
      to: end,
    }))
    this.read = 0
    this.total = stretches.reduce((sum, { from, to }) => sum + to - from, 0)
    const known = await Promise.all(stretches.map(({ state, from, to }) => this.readState(state, from, to, tail)))
    const heads = mark === undefined ? undefined : headsIn(local)
    const parts = known.flatMap(({ state, ...own }): ChangelogPart[] => {
      // What was written since the local checkpoint, else what that says; of a state that it doesn't have it says nothing.
      const { manifest, plan } = mark?.offsets[state] === undefined ? own : { ...heads, ...own }
      const part = { manifest: readManifest(task, manifest), plan: readPlan(task, plan) }
      return part.manifest === undefined || part.plan === undefined ? [] : [{ state, ...part } as ChangelogPart]
    })
    const merged = mergeParts(parts)
    if (merged === undefined || (mark !== undefined && merged.manifest.history !== mark.history)) return undefined
    for (const [key, value] of [manifestEntry(merged.manifest), planEntry(merged.plan)]) tail.set(key, value)
    const offsets = new Map(stretches.map(({ state, to }) => [state, to]))
    const { history = newHistory(), checkpoint = 0 } = merged.manifest
    return {
      snapshot: new Snapshot(task, together(local, tail)),
      changelog: new TaskChangelog(app, [...ranges.keys()], partition, history, checkpoint, offsets),
      missing: [...tail],
      isWhole: mark === undefined,
    }
  }

  private async readState(state: string, from: number, to: number, into: Map<string, Uint8Array | null>) {
    const { app, partition, broker } = this.options
    const stretch = { topic: changelogTopic(app, state), partition, from, to }
    const head = await readChangelog(broker, stretch, into, (offsets) => {
      if (this.isCancelled) throw new RestoreCancelled()
      this.read += offsets
    })
    return { state, ...head }
  }

  /** Nothing was ever written. */
  private empty(ranges: ReadonlyMap<string, PartitionRange>): Restored {
    const { app, task, partition } = this.options
    const offsets = new Map([...ranges].map(([state, { end }]) => [state, end]))
    return {
      snapshot: new Snapshot(task, []),
      changelog: new TaskChangelog(app, [...ranges.keys()], partition, newHistory(), 0, offsets),
      missing: [],
      isWhole: true,
    }
  }
}

/** The task was taken away before it was restored. */
export class RestoreCancelled extends Error {}

type Entry = readonly [key: string, value: Uint8Array]

/** The local entries, and in place of some of them, or besides, those of the tail. Not in one map: there may be millions. */
function* together(local: Iterable<Entry>, tail: ReadonlyMap<string, Uint8Array | null>): Iterable<Entry> {
  let touchesStates = false
  for (const key of tail.keys()) if (stateOf(key) !== undefined) touchesStates = true
  for (const entry of local) {
    const [key] = entry
    if (key !== MARK && !((touchesStates || stateOf(key) === undefined) && tail.has(key))) yield entry
  }
  for (const [key, value] of tail) if (value !== null) yield [key, value]
}

function markIn(local: Iterable<Entry>): Mark | undefined {
  for (const [key, value] of local) if (key === MARK) return JSON.parse(utf8.decode(value)) as Mark
  return undefined
}

/** What a local checkpoint says of itself. */
function headsIn(local: Iterable<Entry>): Heads {
  const heads: Heads = {}
  for (const [key, value] of local) if (key === MANIFEST || key === PLAN) heads[key] = value
  return heads
}

/** Names a life of changelogs that begins now. */
export const newHistory = (): string => `${Date.now().toString(36)}${Math.random().toString(36).slice(2, 10)}`
