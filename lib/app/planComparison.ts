/** What an app may do to stored state when it starts with a changed pipeline. States go by their name, or all of an operator's by the operator's. */
export interface UpgradeOptions {
  /**
   * These begin empty, at the present offsets, if nothing is stored of them, or if what is stored can't go on: that is dropped then. Once they have begun,
   * it says nothing any more.
   */
  readonly startEmpty?: readonly string[]
  /** Stored states that no operator has any more: dropped for good. */
  readonly drop?: readonly string[]
}

/** What becomes of a state. */
export interface StateComparison {
  readonly state: string
  /**
   * - `kept`: it goes on
   * - `new`: nothing is stored of it
   * - `orphaned`: no operator has it any more; what is stored stays aside, untouched
   * - `incompatible`: what is stored can't go on
   */
  readonly change: 'kept' | 'new' | 'orphaned' | 'incompatible'
  /** Its values are to be migrated from that version. */
  readonly migratesFrom?: number
  /** The rest in words. */
  readonly text: string
  /** The app doesn't start over it. */
  readonly isRefused: boolean
}

/** A topic that is read for the first time, or no more. */
export interface TopicComparison {
  readonly topic: string
  readonly change: 'added' | 'removed'
  /** An internal one, of a `keyBy` or the like. */
  readonly isExchange: boolean
}

/** An app's plan beside the one that is stored with its state in this process's store. */
export interface PlanComparison {
  /** By name. Empty if the app keeps no state. */
  readonly states: readonly StateComparison[]
  readonly topics: readonly TopicComparison[]
  /** Whether nothing is stored: all begins at the start of the log. */
  readonly isFirst: boolean
  /** Whether `start` refuses it. */
  readonly isRefused: boolean
  /** All of it as text. */
  toString(): string
}

/** Puts a comparison together, with its text. */
export function planComparison(
  app: string,
  isFirst: boolean,
  states: readonly StateComparison[],
  topics: readonly TopicComparison[],
): PlanComparison {
  return {
    states,
    topics,
    isFirst,
    isRefused: states.some((state) => state.isRefused),
    toString: () =>
      [
        `app ${app}: ${isFirst ? 'nothing is stored' : 'beside what is stored'}`,
        ...states.map(
          ({ change, state, text, isRefused }) =>
            `  ${change.padEnd(12)}  ${state}${text === '' ? '' : `: ${text}`}${isRefused ? ' (refused)' : ''}`,
        ),
        ...topics.map(
          ({ topic, change, isExchange }) => `  ${change.padEnd(12)}  ${isExchange ? 'exchange' : 'topic'} ${topic}`,
        ),
      ].join('\n'),
  }
}
