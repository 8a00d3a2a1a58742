import type { Position } from '../ports/broker.js'
import type { StoredEntry } from '../ports/store.js'
import { json, utf8 } from '../record/serde.js'
import type { Definition } from '../task/definition.js'
import { dictionary } from './dictionary.js'
import type { Plan, SubTopology } from './plan.js'
import type { StateShape } from './stateShape.js'

/** A topic that a task reads, as its checkpoint knows it: keys that are written or spread otherwise lie in other tasks. */
export interface StoredTopic {
  /** Name of the key serde. */
  readonly key: string
  readonly partitions: number
  readonly isExchange: boolean
}

/** A state that no operator has any more. */
export interface Orphan extends StateShape {
  /** How far its task had read when it was left out: what has been handled since isn't in it. */
  readonly at: readonly Position[]
}

/** A task's part of the plan, as it is stored with its state. */
export interface StoredPlan {
  /** Its operators in order, each under a name that is its own. */
  readonly operators: readonly string[]
  readonly topics: { readonly [topic: string]: StoredTopic }
  /** The topics that it writes for others. */
  readonly sinks: readonly string[]
  readonly states: { readonly [name: string]: StateShape }
  readonly orphans: { readonly [name: string]: Orphan }
  /** Where it was in topics that it reads no more. */
  readonly left: readonly Position[]
}

export const PLAN = 'plan'

export const planEntry = (plan: StoredPlan): StoredEntry => [PLAN, utf8.encode(JSON.stringify(plan))]

export function storedPlanOf(plan: Plan, sub: SubTopology, partitionsOf: (topic: string) => number): StoredPlan {
  return {
    operators: [...operatorNames(plan, sub).values()],
    topics: dictionary(
      Object.fromEntries(
        sub.sources.map(({ topic, isInternal, keySerde = json() }) => [
          topic,
          { key: keySerde.name, partitions: partitionsOf(topic), isExchange: isInternal },
        ]),
      ),
    ),
    sinks: [...new Set(sub.sinks)],
    states: dictionary(Object.fromEntries([...sub.states].map(([name, { shape }]) => [name, shape]))),
    orphans: dictionary(),
    left: [],
  }
}

/** Operators by names that are their own among a sub-topology's: what it is called in the plan, and its number among several of one name. */
export function operatorNames(plan: Plan, sub: SubTopology): Map<Definition, string> {
  const seen = new Map<string, number>()
  return new Map(
    sub.definitions.map((definition) => {
      const label = plan.nodes.get(definition)?.label as string
      const count = seen.get(label) ?? 0
      seen.set(label, count + 1)
      return [definition, count === 0 ? label : `${label}#${count}`]
    }),
  )
}

/** Whether an operator is known by its name where others come or go: else only its number among those of its kind tells it. */
export const hasLastingName = ({ name, role }: Definition): boolean =>
  name !== undefined || role?.is === 'source' || role?.is === 'sink' || role?.is === 'exchange' || role?.is === 'writer'
