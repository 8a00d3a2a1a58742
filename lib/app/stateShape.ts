import type { Node } from '../task/node.js'
import type { Checkpointed } from '../task/state.js'
import type { StateVersion } from '../task/stateVersion.js'
import { upstream } from '../task/upstream.js'
import { describeMeasures } from '../task/windowing.js'

/** What decides whether a stored state can go on, as plain JSON data. */
export interface StateShape {
  /** The name of its operator; the state's own says which of the operator's it is. */
  readonly operator: string
  readonly kind: string
  readonly form: Checkpointed['form']
  /** The windows by which it is kept; null: none. */
  readonly window: string | null
  /** What its values are; null: nothing that could change. */
  readonly holds: string | null
  readonly version: number
  /** The topics that feed it, sorted: by their keys it is partitioned. */
  readonly topics: readonly string[]
}

/** A state of a plan. */
export interface PlannedState {
  readonly shape: StateShape
  /** Which of its operator's states it is. */
  readonly part: string | undefined
  readonly migrate: StateVersion['migrate']
}

/** @param topicOf the topic that a source reads */
export function plannedState(
  node: Node,
  { name, form }: Checkpointed,
  topicOf: (source: Node) => string | undefined,
): PlannedState {
  const { kind, version, holds, windowing } = node.definition
  const operator = node.scope.stateName(node)
  const part = name === operator ? undefined : name.slice(operator.length + 1)
  // Where there is no version, what is held can't change at all.
  const hasHolds = version === undefined ? part === undefined : version.covers(part)
  const covered = version?.covers(part) === true ? version : undefined
  const shape: StateShape = {
    operator,
    kind,
    form,
    window: windowing === 'resolves' && node.windowing !== undefined ? describeMeasures(node.windowing) : null,
    holds: hasHolds ? (holds ?? null) : null,
    version: covered?.number ?? 1,
    topics: [...new Set([...upstream(node)].flatMap((source) => topicOf(source) ?? []))].sort(),
  }
  return { shape, part, migrate: covered?.migrate }
}
