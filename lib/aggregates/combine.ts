import type { Aggregator, Aggregators } from './aggregator.js'

/** One aggregator that runs several side by side; its accumulator is the list of theirs. */
function combine<R>(parts: Aggregators<R>): Aggregator<R, Record<string, unknown>, unknown[]> {
  const names = Object.keys(parts)
  const list = names.map((name) => parts[name] as Aggregator<R & { value: unknown }, unknown, unknown>)
  const canRemove = list.every((part) => part.remove !== undefined)
  return {
    init: () => list.map((part) => part.init?.() ?? null),
    add(accs, record) {
      for (let i = 0; i < list.length; i++) {
        const part = list[i] as Aggregator<R, unknown, unknown>
        // Without a start, the first value is it.
        accs[i] =
          accs[i] === null && part.init === undefined ? (record as { value: unknown }).value : part.add(accs[i], record)
      }
      return accs
    },
    ...(canRemove && {
      remove(accs: unknown[], record: R) {
        for (let i = 0; i < list.length; i++) {
          const part = list[i] as Required<Aggregator<R, unknown, unknown>>
          accs[i] = part.remove(accs[i], record)
        }
        return accs
      },
    }),
    result(accs) {
      const result: Record<string, unknown> = {}
      for (let i = 0; i < list.length; i++) {
        const part = list[i] as Aggregator<R, unknown, unknown>
        result[names[i] as string] = part.result === undefined ? accs[i] : part.result(accs[i])
      }
      return result
    },
  }
}

/** One aggregator from what users write: one, or an object of several. */
export function oneAggregator<R>(given: Aggregator<R, unknown, any> | Aggregators<R>): Aggregator<R, unknown, unknown> {
  return typeof given.add === 'function'
    ? (given as Aggregator<R, unknown, unknown>)
    : (combine(given as Aggregators<R>) as Aggregator<R, unknown, unknown>)
}
