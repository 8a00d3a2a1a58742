import type { Key } from '../record/key.js'

/**
 * How records become one value. `R` is the record that comes in, `Acc` what is kept (plain data that JSON gives back),
 * `Out` what comes out.
 *
 * ```ts
 * const product: Aggregator<{ readonly value: number }, number, number> = {
 *   init: () => 1,
 *   add: (acc, record) => acc * record.value,
 *   merge: (a, b) => a * b,
 *   commutes: true,
 * }
 * ```
 */
export interface Aggregator<in R, out Out, Acc = unknown> {
  /** The start. Without it the first record's value is the start, and the first result. */
  init?(): Acc
  /** The next accumulator; may change and return the one it got. Null deletes the key. */
  add(acc: Acc, record: R): Acc
  /**
   * Takes back a record that `add` got, or one equal to it: of several equal ones the first. What then comes out is what the
   * other records would have given; where that can't be known from the accumulator, an aggregator has no `remove`. Null where
   * none is left of which there could be a result: it deletes the key.
   */
  remove?(acc: Acc, record: R): Acc | null
  /**
   * One accumulator for the records of both, as if `b`'s had been added after `a`'s: two sessions become one, of which `a` is the
   * earlier. Both are used up: it may change and return either. With a fresh `init()` on one side it gives the other.
   */
  merge?(a: Acc, b: Acc, key: Key): Acc
  /** The order in which records are added makes no difference to what comes out. */
  readonly commutes?: boolean
  /**
   * What the accumulator holds, in a word: over a stored one only an aggregator that says the same goes on. Without it any two are taken to hold
   * the same, as only you can know.
   */
  readonly holds?: string
  /** What comes out; without it the accumulator itself, which must then not be changed in place. */
  result?(acc: Acc): Out
}

/** Several aggregators under names: the result is an object of their results. */
export type Aggregators<R> = { readonly [name: string]: Aggregator<R, unknown, any> }

/** What comes out: of one aggregator `Single`, of an object of several its results under the same names. */
export type ResultOf<Several, Single> = string extends keyof Several
  ? Single
  : { readonly [Name in keyof Several]: Several[Name] extends Aggregator<never, infer Out, any> ? Out : never }
