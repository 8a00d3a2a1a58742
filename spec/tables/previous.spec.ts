import { expect, test } from '@jest/globals'
import { from, ignoreElements, merge, type Observable } from 'rxjs'
import {
  aggregate,
  count,
  foreignKeyJoin,
  last,
  local,
  record,
  type StreamRecord,
  shared,
  streamTableJoin,
  type Table,
  tableFilter,
  tableGroupBy,
  tableMapValues,
  tableTableJoin,
  toTable,
} from 'tidemark'

// Which readers make a table know what its rows were before. Kafka Streams decides by the same; a filter shows it: of a row that it
// doesn't take, and that is known not to have been there, it says nothing.

type Plain = Table<string, number>
type Stream = Observable<StreamRecord<string, number>>
type Probed = readonly [filtered: Plain, ...others: Observable<unknown>[]]

const even = (name?: string) => (table: Plain) =>
  table.pipe(tableFilter(({ value }) => value % 2 === 0, name === undefined ? {} : { name }))
const same = (name?: string) => (table: Plain) =>
  table.pipe(tableMapValues((value) => value, name === undefined ? {} : { name }))
const join = (table: Plain, kind: 'inner' | 'left' | 'outer', other: Plain, name?: string): Plain =>
  table.pipe(tableTableJoin(other, (a) => Number(a), { kind, ...(name !== undefined && { name }) }))
const pointing = (table: Plain, other: Plain): Plain =>
  table.pipe(foreignKeyJoin(other, String, (a) => Number(a), { kind: 'left', name: 'pointing' }))
const grouped = (table: Plain) => table.pipe(tableGroupBy(({ key }) => key, count(), { name: 'group' })).changes()

/** Whether the filtered table knew: a record comes that it doesn't take. */
function knows(build: (rows: (name?: string) => Plain, stream: Stream) => Probed): boolean {
  const stream = from([record('a', 1, 0)]).pipe(shared())
  const [filtered, ...others] = build((name) => toTable(name, stream), stream)
  const seen: unknown[] = []
  const failures: unknown[] = []
  local(merge(filtered.changes(), ...others.map((other) => other.pipe(ignoreElements())))).subscribe({
    next: (change) => seen.push(change),
    error: (error) => failures.push(error),
  })
  expect(failures).toEqual([])
  return seen.length === 0
}

test.each<[string, boolean, Parameters<typeof knows>[0]]>([
  ['a table without a name', false, (rows) => [even()(rows())]],
  ['a name for it', true, (rows) => [even()(rows('rows'))]],
  ['a name for the result', false, (rows) => [even('even')(rows())]],
  // A delete is one from its timestamp on, also where nothing is.
  ['history', false, (_, stream) => [even()(toTable(undefined, stream, { history: 5 }))]],
  ['history, through a map', false, (_, stream) => [even()(same()(toTable(undefined, stream, { history: 5 })))]],
  [
    'history, and grouping after it',
    false,
    (_, stream) => {
      const filtered = even()(toTable(undefined, stream, { history: 5 }))
      return [filtered, grouped(filtered)]
    },
  ],
  [
    'a name for a map of history',
    true,
    (_, stream) => [even()(same('same')(toTable(undefined, stream, { history: 5 })))],
  ],
  ['a time to live', true, (_, stream) => [even()(toTable(undefined, stream, { ttl: 5 }))]],
  ['an aggregate', true, (_, stream) => [even()(toTable(undefined, stream.pipe(aggregate(last()))))]],
  ['through a map', false, (rows) => [even()(same()(rows()))]],
  ['a name for the table, through a map', true, (rows) => [even()(same()(rows('rows')))]],
  ['a name for the map', true, (rows) => [even()(same('same')(rows()))]],
  [
    'a filter after it',
    false,
    (rows) => {
      const filtered = even()(rows())
      return [filtered, even()(filtered).changes()]
    },
  ],
  [
    'a name for the result, and a filter after it',
    true,
    (rows) => {
      const filtered = even('even')(rows())
      return [filtered, even()(filtered).changes()]
    },
  ],
  [
    'a name for the result, and a filter after a map after it',
    true,
    (rows) => {
      const filtered = even('even')(rows())
      return [filtered, even()(same()(filtered)).changes()]
    },
  ],
  [
    'grouping after it',
    true,
    (rows) => {
      const filtered = even()(rows())
      return [filtered, grouped(filtered)]
    },
  ],
  [
    'grouping after a map after it',
    true,
    (rows) => {
      const filtered = even()(rows())
      return [filtered, grouped(same()(filtered))]
    },
  ],
  [
    'grouping beside it',
    true,
    (rows) => {
      const table = rows()
      return [even()(table), grouped(table)]
    },
  ],
  [
    'a stream that looks up its rows',
    false,
    (rows, stream) => {
      const filtered = even()(rows())
      return [filtered, stream.pipe(streamTableJoin(filtered, (a, b) => [a, b]))]
    },
  ],
  [
    'the left side of a left join',
    true,
    (rows) => {
      const filtered = even()(rows())
      return [filtered, join(filtered, 'left', rows('other')).changes()]
    },
  ],
  [
    'the right side of a left join',
    false,
    (rows) => {
      const filtered = even()(rows())
      return [filtered, join(rows('other'), 'left', filtered).changes()]
    },
  ],
  [
    'a side of an inner join',
    false,
    (rows) => {
      const filtered = even()(rows())
      return [filtered, join(filtered, 'inner', rows('other')).changes()]
    },
  ],
  [
    'the right side of an outer join',
    true,
    (rows) => {
      const filtered = even()(rows())
      return [filtered, join(rows('other'), 'outer', filtered).changes()]
    },
  ],
  [
    'the left side of a foreign-key join',
    true,
    (rows) => {
      const filtered = even()(rows())
      return [filtered, pointing(filtered, rows('other')).changes()]
    },
  ],
  [
    'the right side of a foreign-key join',
    true,
    (rows) => {
      const filtered = even()(rows())
      return [filtered, pointing(rows('other'), filtered).changes()]
    },
  ],
  [
    'an inner join that is grouped',
    true,
    (rows) => {
      const filtered = even()(rows())
      return [filtered, grouped(join(filtered, 'inner', rows('other')))]
    },
  ],
  [
    'an inner join that is filtered',
    true,
    (rows) => {
      const filtered = even()(rows())
      return [filtered, even()(join(filtered, 'inner', rows('other'))).changes()]
    },
  ],
  [
    'an inner join with a name, that is grouped',
    false,
    (rows) => {
      const filtered = even()(rows())
      return [filtered, grouped(join(filtered, 'inner', rows('other'), 'joined'))]
    },
  ],
  ['over an inner join', true, (rows) => [even()(join(rows(), 'inner', rows()))]],
  [
    'over a left join, the right side of which makes the change',
    true,
    (rows) => [even()(join(rows('a'), 'left', rows()))],
  ],
])('%s: %s', (_, expected, build) => {
  expect(knows(build)).toBe(expected)
})
