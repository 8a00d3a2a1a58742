/**
 * How records become one value. `R` is the record that comes in, `Acc` what is kept (plain data that JSON gives back),
 * `Out` what comes out.
 */
export interface Aggregator<in R, out Out, Acc = unknown> {
  /** The start. Without it the first record's value is the start, and the first result. */
  init?(): Acc
  /** The next accumulator; may change and return the one it got. Null deletes the key. */
  add(acc: Acc, record: R): Acc
  /** Takes back what `add` did with this record. */
  remove?(acc: Acc, record: R): Acc
  /** What comes out; without it the accumulator itself, which must then not be changed in place. */
  result?(acc: Acc): Out
}

/** Several aggregators under names: the result is an object of their results. */
export type Aggregators<R> = { readonly [name: string]: Aggregator<R, unknown, any> }

/** What comes out: of one aggregator `Single`, of an object of several its results under the same names. */
export type ResultOf<Several, Single> = string extends keyof Several
  ? Single
  : { readonly [Name in keyof Several]: Several[Name] extends Aggregator<never, infer Out, any> ? Out : never }
