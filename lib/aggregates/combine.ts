import { TidemarkError } from '../record/errors.js'
import type { Aggregator, Aggregators } from './aggregator.js'

type Part = Aggregator<{ readonly value: unknown }, unknown, unknown>

/** Null stands for a part that holds nothing: before its first record, and after it gave null. */
type Accs = unknown[]

/** One aggregator that runs several side by side; its accumulator is the list of theirs. */
function combine(parts: { readonly [name: string]: Part }): Aggregator<never, Record<string, unknown>, Accs> {
  const names = Object.keys(parts)
  if (names.includes('__proto__'))
    throw new TidemarkError('BAD_OPTION', 'aggregate: no result can have the name __proto__; give it another')
  const list = names.map((name) => parts[name] as Part)
  const all = (has: (part: Part) => boolean) => list.every(has)

  function add(accs: Accs, record: { readonly value: unknown }): Accs {
    for (let i = 0; i < list.length; i++) {
      const part = list[i] as Part
      const acc = accs[i]
      if (acc !== null) accs[i] = part.add(acc, record)
      else accs[i] = part.init === undefined ? record.value : part.add(part.init(), record)
    }
    return accs
  }

  // All parts have got the same records: where one has none left of which it could say something, there is none for any.
  function remove(accs: Accs, record: { readonly value: unknown }): Accs | null {
    for (let i = 0; i < list.length; i++) {
      if (accs[i] === null) continue
      accs[i] = (list[i] as Required<Part>).remove(accs[i], record)
      if (accs[i] === null) return null
    }
    return accs
  }

  function result(accs: Accs): Record<string, unknown> {
    const results: Record<string, unknown> = {}
    for (let i = 0; i < list.length; i++) {
      const part = list[i] as Part
      const acc = accs[i]
      results[names[i] as string] = acc === null || part.result === undefined ? acc : part.result(acc)
    }
    return results
  }

  return {
    holds: names.map((name, i) => `${name}: ${list[i]?.holds ?? 'its own'}`).join(', '),
    init: () => list.map(() => null),
    add,
    ...(all((part) => part.remove !== undefined) && { remove }),
    ...(all((part) => part.merge !== undefined) && {
      merge: (a, b, key) =>
        list.map((part, i) => {
          if (a[i] === null || b[i] === null) return a[i] ?? b[i]
          return (part as Required<Part>).merge(a[i], b[i], key)
        }),
    }),
    commutes: all((part) => part.commutes === true),
    result,
  }
}

/** One aggregator from what users write: one, or an object of several. */
export function oneAggregator<R>(given: Aggregator<R, unknown, any> | Aggregators<R>): Aggregator<R, unknown, unknown> {
  return typeof given.add === 'function'
    ? (given as Aggregator<R, unknown, unknown>)
    : (combine(given as { readonly [name: string]: Part }) as Aggregator<R, unknown, unknown>)
}
