import { wholeNumber } from '../record/wholeNumber.js'

/** For an operator whose state is to outlive a change of what it keeps. */
export interface VersionOptions {
  /** Of the values that the state keeps: raise it, and give `migrate`, when they change. Default 1. */
  readonly version?: number
  /**
   * Makes a value of this version of one that an older version has kept. It is called once for each value, when a task is restored, before a
   * record runs. `part` tells what a value is, where an operator keeps several: `left` or `right` of a join, the name of a state of `process`.
   */
  readonly migrate?: (old: any, fromVersion: number, part: string | undefined) => unknown
}

/** What a plan knows of an operator's version. */
export interface StateVersion {
  readonly number: number
  readonly migrate: VersionOptions['migrate']
  /** Whether a part of its state holds values that are the user's. */
  covers(part: string | undefined): boolean
}

/**
 * The trait of an operator that can be told its version.
 *
 * @param covers which parts of its state hold what the user gave; default: the one that has no name
 * @throws TidemarkError `BAD_OPTION`
 */
export const versionOf = (
  kind: string,
  { version = 1, migrate }: VersionOptions,
  covers: StateVersion['covers'] = (part) => part === undefined,
): { readonly version: StateVersion } => ({
  version: { number: wholeNumber(version, `${kind}: version`, 1), migrate, covers },
})
