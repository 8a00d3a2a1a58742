import type { StoreEntry } from '../ports/store.js'
import type { Definition } from '../task/definition.js'
import type { Node } from '../task/node.js'
import type { Checkpointed } from '../task/state.js'
import type { StoredValue } from '../task/storedValue.js'
import { fromSaved, type Manifest, manifestEntry, type SavedTime, type Snapshot, toSaved } from './checkpoint.js'
import { dictionary } from './dictionary.js'
import type { Plan } from './plan.js'
import { hasLastingName, operatorNames } from './storedPlan.js'
import type { TaskScope } from './taskScope.js'

/** What a task takes up from its last checkpoint, and what it gives to the next. */
export class TaskCheckpoint {
  /** Under which a checkpoint has the times of operators. */
  private readonly names: ReadonlyMap<Definition, string>
  private readonly isSamePlan: boolean
  private readonly states: Checkpointed[] = []

  constructor(
    private readonly task: TaskScope,
    private readonly plan: Plan,
    private readonly snapshot: Snapshot,
  ) {
    this.names = operatorNames(plan, task.sub)
    this.isSamePlan = snapshot.plan?.operators.join() === [...this.names.values()].join()
  }

  /** The entries of a state, once. */
  restored(name: string): Iterable<readonly [key: string, value: StoredValue]> {
    return this.snapshot.take(name)
  }

  /** The time of sources. */
  get sources(): { readonly [source: string]: SavedTime } | undefined {
    return this.snapshot.manifest?.sources
  }

  restoredTime(node: Node): number | undefined {
    const saved = this.snapshot.manifest?.streamTimes ?? {}
    const name = this.nameOf(node)
    return this.isKnown(node) && Object.hasOwn(saved, name) ? saved[name] : undefined
  }

  /** Where time comes from others, these may be new, or begin anew: what has closed stays closed. */
  restoredReach(node: Node): number {
    const { manifest } = this.snapshot
    if (manifest === undefined || node.definition.name === undefined) return Number.NEGATIVE_INFINITY
    const name = this.nameOf(node)
    const { times, streamTimes } = manifest
    return fromSaved(
      Object.hasOwn(times, name) ? times[name] : Object.hasOwn(streamTimes, name) ? streamTimes[name] : undefined,
    )
  }

  private nameOf({ definition }: Node): string {
    return this.names.get(definition) as string
  }

  /** Whether what the checkpoint has under an operator's name is this operator's. */
  private isKnown({ definition }: Node): boolean {
    return hasLastingName(definition) || this.isSamePlan
  }

  stateName(node: Node): string {
    return node.definition.name ?? `${node.definition.kind}-${[...this.plan.nodes.keys()].indexOf(node.definition)}`
  }

  /** From now on the state's changes are part of every checkpoint. */
  add(state: Checkpointed): void {
    this.states.push(state)
  }

  /** The last one that was taken is in the local store. */
  written(): void {
    for (const state of this.states) state.written()
  }

  /** What has changed since the last one, encoded now, with the time of these nodes. */
  take(nodes: readonly Node[]): StoreEntry[] {
    const entries: StoreEntry[] = [...this.snapshot.takeChanges()]
    for (const state of this.states) state.takeChanges(entries)
    const streamTimes = dictionary<number>()
    const times = dictionary<number | null>()
    for (const node of nodes) {
      if (Number.isFinite(node.streamTime)) streamTimes[this.nameOf(node)] = node.streamTime
      const time = node.time()
      if (node.definition.name !== undefined && time !== node.streamTime) times[this.nameOf(node)] = toSaved(time)
    }
    const manifest: Manifest = {
      version: 1,
      plan: this.plan.fingerprint,
      positions: this.task.positions,
      sources: this.task.readers.save(),
      streamTimes,
      times,
      ...this.task.changelog?.next(),
    }
    entries.push(manifestEntry(manifest))
    return entries
  }
}
