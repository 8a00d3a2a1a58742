import type { Observable } from 'rxjs'
import { TidemarkError } from '../record/errors.js'
import type { StreamRecord } from '../record/record.js'
import { define } from '../task/operate.js'

type AnyRecord = StreamRecord<any, any>

/** Predicates by name. Those that are type guards narrow their branch. */
export type Branches<R> = { readonly [name: string]: (record: R) => boolean }

type Guarded<P> = P extends (record: any) => record is infer G ? G : never

/** What all predicates can be asked about. */
type Asked<B> = B[keyof B] extends (record: infer R) => boolean ? R : never

/** A stream for each branch, and `rest`: what no branch took. */
export type Split<R, B> = {
  readonly [Name in keyof B]: Observable<[Guarded<B[Name]>] extends [never] ? R : Guarded<B[Name]>>
} & { readonly rest: Observable<Exclude<R, Guarded<B[keyof B]>>> }

/**
 * Sends each record into the first branch whose predicate is true, or into `rest`.
 *
 * ```
 * in     a--b--c--|     a: ann 5   b: bob 500   c: ann 50
 * small  a--------|     r => r.value < 10
 * big    ---b-----|     r => r.value >= 100
 * rest   ------c--|
 * ```
 *
 * ```ts
 * const { small, big, rest } = split(orders, {
 *   small: (order) => order.value.amount < 10,
 *   big: (order) => order.value.amount >= 100,
 * })
 * app.run('small', small.pipe(toTopic('small-orders')))
 * app.run('others', merge(big, rest).pipe(toTopic('orders-to-check')))
 * ```
 *
 * The branches are cold streams like any other, in an app and in `local`; however many of them are read, a task asks each predicate once per record,
 * in the order in which they are written, up to the first that is true. What goes into a branch that nobody reads is gone, uncounted, as in Kafka Streams. Time,
 * keys and windows stay. Keeps no state; completion and errors go to all branches; what a predicate throws fails the task with
 * `OPERATOR_FAILED`. Kafka Streams' `split` and `branch`. Without the stream it gives a function of the stream: `split({ … })(orders)`, where
 * predicates say the type of their record.
 *
 * @throws TidemarkError `BAD_OPTION` for a branch called `rest`, or called by a whole number, which JavaScript would move to the front
 */
export function split<R extends AnyRecord, B extends Branches<R>>(source: Observable<R>, branches: B): Split<R, B>
export function split<B extends Branches<never>>(
  branches: B,
): <R extends Asked<B>>(source: Observable<R>) => Split<R, B>
export function split(...given: [Observable<AnyRecord>, Branches<never>] | [Branches<never>]): unknown {
  if (given.length === 2) return splitInto(...given)
  const [branches] = given
  check(branches)
  return (source: Observable<AnyRecord>) => splitInto(source, branches)
}

function check(branches: Branches<never>): void {
  for (const name of Object.keys(branches)) {
    if (name !== 'rest' && !/^\d+$/.test(name)) continue
    throw new TidemarkError(
      'BAD_OPTION',
      name === 'rest'
        ? 'split: a branch is called rest, which is the name of what no branch takes; give it another one'
        : `split: a branch is called ${name}; JavaScript would ask such names first, whatever stands before them. Begin it with a letter`,
      { operator: 'split' },
    )
  }
}

function splitInto(source: Observable<AnyRecord>, branches: Branches<never>): Record<string, Observable<AnyRecord>> {
  check(branches)
  const splitter: Observable<never> = define<AnyRecord, never>('split', [source], ({ emitTo }) => ({
    record(record) {
      for (const [branch, isTaken] of taken) {
        if (!isTaken(record as never)) continue
        emitTo(branch, record)
        return
      }
      emitTo(rest, record)
    },
  }))
  // Each follows the splitter in the graph, and gets its records from the splitter's own hand.
  const branch = (name: string) =>
    define<never, AnyRecord>(`split.${name}`, [splitter], () => ({ record() {} }), { role: { is: 'side' } })
  const taken = Object.entries(branches).map(([name, isTaken]) => [branch(name), isTaken, name] as const)
  const rest = branch('rest')
  return { ...Object.fromEntries(taken.map(([stream, , name]) => [name, stream])), rest }
}
