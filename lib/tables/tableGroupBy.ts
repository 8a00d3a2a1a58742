import type { Observable } from 'rxjs'
import type { Aggregator, Aggregators, ResultOf } from '../aggregates/aggregator.js'
import { oneAggregator } from '../aggregates/combine.js'
import { checkSerde } from '../record/checkSerde.js'
import { TidemarkError } from '../record/errors.js'
import { type Key, keyIdentity } from '../record/key.js'
import { NO_HEADERS, type StreamRecord, type Window } from '../record/record.js'
import { json, type Serde } from '../record/serde.js'
import { definitionOf } from '../task/current.js'
import type { AnyRecord, Definition } from '../task/definition.js'
import { exchange } from '../task/exchange.js'
import { define } from '../task/operate.js'
import { type VersionOptions, versionOf } from '../task/stateVersion.js'
import { aggregateGroups, type Retractable } from './aggregateGroups.js'
import type { Change } from './change.js'
import { type GroupChange, groupChangeSerde } from './groupChange.js'
import { makeTable, type Table, type TableOperator } from './table.js'
import type { TableRow } from './tableRow.js'

export interface TableGroupByOptions<G, S> extends VersionOptions {
  /** Names the state, and the internal topic: `<app>-<name>-repartition`. */
  readonly name: string
  /** Of the groups' keys in the internal topic. Default JSON. */
  readonly key?: Serde<G>
  /** Of what the groups get, in the internal topic. Default JSON, which refuses what it would not give back. */
  readonly value?: Serde<S>
}

/** What of a row its group gets. Null: the row belongs to no group. Default: its value. */
interface Selecting<K, V, W, S> {
  readonly select: (row: TableRow<K, V, W>) => S | null | undefined
}

/** A row as the aggregator gets it: with the key of its group. */
export interface GroupedRow<S> {
  readonly key: Key
  readonly value: S
}

/** What grouping makes of a table. */
type Grouping<K extends Key, V, W extends Window | undefined, G extends Key, Out> = TableOperator<
  Table<K, V, W>,
  Table<G, NonNullable<Out>>
>

/**
 * Groups the rows of a table by another key and aggregates each group; a row that changes is taken out of its old group and put into its new one.
 *
 * ```
 * tableGroupBy(({ value }) => value.team, sum((r) => r.value.n), { name: 'teams' })
 * table  a--b--c-----d--|     a: ann {team x, n 1}   b: bob {team x, n 5}   c: ann {team y, n 2}   d: bob null
 * out    p--q--(rs)--t--|     p: x 1   q: x 6, was 1   r: x 5, was 6   s: y 2   t: x 0, was 5
 * ```
 *
 * For each change the old row is subtracted from its group, then the new one added to its own, with a change of the result for each; if the group
 * is the same, there is one. Rows whose group or value is null belong to none. A group that has lost all rows stays, with what the aggregator
 * makes of none. A result's timestamp is the highest of the records behind it. A late record of a versioned table that isn't its key's latest is
 * dropped. Null from the aggregator deletes the group.
 *
 * `keyOf` and `select` must depend on the row alone: they are called again when it goes. In an app this is an exchange, through an internal
 * topic: what follows belongs to the tasks of the groups. Keeps the accumulator of each group, under `name`, for ever. Needs to know what rows were:
 * the table keeps its rows for it. Completion and errors pass on. Kafka Streams' `KTable.groupBy` with `aggregate`, `count` or `reduce`.
 *
 * @throws TidemarkError `BAD_OPTION` for an aggregator that can't take records back; `NOT_SERIALISABLE` for what a serde can't write
 */
export function tableGroupBy<
  K extends Key,
  V,
  W extends Window | undefined,
  G extends Key,
  A extends Aggregators<GroupedRow<V>>,
  Out,
>(
  keyOf: (row: TableRow<K, V, W>) => G | null | undefined,
  given: Aggregator<GroupedRow<NoInfer<V>>, Out, any> | A,
  options: TableGroupByOptions<G, V> & { readonly select?: undefined },
): Grouping<K, V, W, G, ResultOf<A, Out>>
export function tableGroupBy<
  K extends Key,
  V,
  W extends Window | undefined,
  G extends Key,
  S,
  A extends Aggregators<GroupedRow<S>>,
  Out,
>(
  keyOf: (row: TableRow<K, V, W>) => G | null | undefined,
  given: Aggregator<GroupedRow<S>, Out, any> | A,
  options: TableGroupByOptions<G, S> & Selecting<K, V, W, S>,
): Grouping<K, V, W, G, ResultOf<A, Out>>
export function tableGroupBy<K extends Key, V, W extends Window | undefined, G extends Key, S>(
  keyOf: (row: TableRow<K, V, W>) => G | null | undefined,
  given: Aggregator<never, unknown, any> | Aggregators<never>,
  options: TableGroupByOptions<G, S> & { readonly select?: Selecting<K, V, W, S>['select'] | undefined },
): Grouping<K, V, W, G, any> {
  const { name, select, key, value = json() } = options
  checkSerde(key ?? json(), 'tableGroupBy: key')
  checkSerde(value, 'tableGroupBy: value')
  const aggregator = retractable(oneAggregator(given), name)

  /** What a row is to its group; undefined if it belongs to none. */
  function memberOf(key: K, window: W, value: V | null | undefined): { group: G; value: S } | undefined {
    if (value === null || value === undefined) return undefined
    const row = { key, value, window }
    const group = keyOf(row) ?? null
    const selected = select === undefined ? (value as unknown as S) : (select(row) ?? null)
    return group === null || selected === null ? undefined : { group, value: selected }
  }

  return (table) => {
    const grouped = exchange<Change<K, V, W>, GroupChange<S>>(
      'tableGroupBy',
      table.changes(),
      ({ drop, task }, send) =>
        (change) => {
          const { key, window, timestamp } = change
          if (!change.isLatest) {
            drop(change as unknown as AnyRecord, 'out of order')
            return
          }
          const to = (group: G, value: GroupChange<S>) =>
            send({ key: group, value, timestamp, topic: '', partition: task.partition, offset: 0, headers: NO_HEADERS })
          const old = memberOf(key, window, change.previous)
          const fresh = memberOf(key, window, change.value)
          if (fresh === undefined && change.value !== null) drop(change as unknown as AnyRecord, 'null group')
          if (old !== undefined && fresh !== undefined && keyIdentity(old.group) === keyIdentity(fresh.group)) {
            to(fresh.group, { old: old.value, new: fresh.value })
            return
          }
          if (old !== undefined) to(old.group, { old: old.value })
          if (fresh !== undefined) to(fresh.group, { new: fresh.value })
        },
      {
        key,
        value: groupChangeSerde(value),
        needs: () => ({ rows: false, previous: true }),
      },
    )
    const changes: Observable<Change<G, never>> = define<StreamRecord<Key, GroupChange<unknown>>, never>(
      'tableGroupBy',
      [grouped],
      (context) => aggregateGroups(context, aggregator),
      { name, ...versionOf('tableGroupBy', options), holds: aggregator.holds, role: { is: 'table' }, usesTime: true },
    )
    return makeTable(name, definitionOf(changes) as Definition, changes)
  }
}

function retractable<R>(aggregator: Aggregator<R, unknown, unknown>, name: string): Retractable<R> {
  if (aggregator.remove !== undefined) return aggregator as Retractable<R>
  throw new TidemarkError(
    'BAD_OPTION',
    'tableGroupBy: this aggregator can only add, and a row that leaves its group must be subtracted; use one with `remove` (count, sum, avg, countDistinct, or one of your own)',
    { operator: name },
  )
}
