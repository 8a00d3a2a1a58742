import { expectTypeOf } from 'expect-type'
import type { Observable } from 'rxjs'
import {
  type App,
  aggregate,
  type Change,
  count,
  json,
  reduce,
  type StreamRecord,
  sum,
  type Table,
  type TableRow,
  tableFilter,
  tableGroupBy,
  tableMapValues,
  tableTableJoin,
  toStream,
  toTable,
  tumblingWindow,
  type Window,
  type WindowedRecord,
} from 'tidemark'

// Compiled with everything else (`npm run types`), never run.

interface User {
  readonly tier: 'gold' | 'free'
  readonly spent: number
}
declare const app: App

const users = app.table<User>('users', { value: json<User>(), history: '7d', ttl: '30d' })
const counts = toTable(
  'counts',
  app.stream('clicks', { value: json<string>() }).pipe(tumblingWindow('1m'), aggregate(count())),
)
expectTypeOf(counts).toEqualTypeOf<Table<string, number, Window>>()

// Filters keep the type, mapping changes that of values; null from it is no row.
expectTypeOf(users.pipe(tableFilter(({ value }) => value.spent > 4))).toEqualTypeOf<Table<string, User>>()
expectTypeOf(users.pipe(tableMapValues((user) => user.spent))).toEqualTypeOf<Table<string, number>>()
expectTypeOf(
  users.pipe(tableMapValues((user) => (user.spent > 0 ? user.spent : null), { name: 'spent' })),
).toEqualTypeOf<Table<string, number>>()
users.pipe(
  tableMapValues((user, row) => {
    expectTypeOf(row).toEqualTypeOf<TableRow<string, User>>()
    return user
  }),
)
counts.pipe(
  tableFilter(({ window }) => {
    expectTypeOf(window).toEqualTypeOf<Window>()
    return true
  }),
)
// @ts-expect-error
users.pipe(tableFilter(({ value }) => value.missing > 4))

// A chain, and back to a stream.
const spent = users.pipe(
  tableFilter(({ value }) => value.tier === 'gold'),
  tableMapValues((user) => user.spent),
  tableFilter(({ value }) => value > 0),
)
expectTypeOf(spent).toEqualTypeOf<Table<string, number>>()
expectTypeOf(spent.pipe(toStream())).toEqualTypeOf<Observable<StreamRecord<string, number | null>>>()
expectTypeOf(counts.pipe(toStream())).toEqualTypeOf<Observable<WindowedRecord<string, number | null>>>()

// Groups: the key by what `keyOf` gives, the value by the aggregator.
const byTier = users.pipe(
  tableGroupBy(
    ({ value }) => value.tier,
    sum((r) => r.value.spent),
    { name: 'by-tier' },
  ),
)
expectTypeOf(byTier).toEqualTypeOf<Table<'gold' | 'free', number>>()
expectTypeOf(
  users.pipe(
    tableGroupBy(({ key }) => key.length, { users: count(), spent: sum((r) => r.value.spent) }, { name: 'by-length' }),
  ),
).toEqualTypeOf<Table<number, { readonly users: number; readonly spent: number }>>()
expectTypeOf(
  users.pipe(
    tableGroupBy(
      ({ value }) => value.tier,
      reduce<number>(
        (a, b) => a + b,
        (a, b) => a - b,
      ),
      { name: 'selected', select: ({ value }) => value.spent },
    ),
  ),
).toEqualTypeOf<Table<'gold' | 'free', number>>()
expectTypeOf(
  counts.pipe(
    tableGroupBy(
      ({ window }) => window.start,
      sum((r) => r.value),
      { name: 'by-window' },
    ),
  ),
).toEqualTypeOf<Table<number, number>>()
// @ts-expect-error
users.pipe(tableGroupBy(({ value }) => value.tier, count()))
users.pipe(
  tableGroupBy(
    ({ value }) => value.tier,
    sum((r: { value: number }) => r.value),
    // @ts-expect-error
    { name: 'wrong', select: ({ value }) => value.tier },
  ),
)

// Joins: null where a side may have no row.
expectTypeOf(users.pipe(tableTableJoin(spent, (user, n) => user.spent + n))).toEqualTypeOf<Table<string, number>>()
users.pipe(
  tableTableJoin(
    spent,
    (user, n, row) => {
      expectTypeOf(user).toEqualTypeOf<User>()
      expectTypeOf(n).toEqualTypeOf<number | null>()
      expectTypeOf(row.key).toEqualTypeOf<string>()
      return n
    },
    { kind: 'left' },
  ),
)
users.pipe(
  tableTableJoin(
    spent,
    (user, n) => {
      expectTypeOf(user).toEqualTypeOf<User | null>()
      expectTypeOf(n).toEqualTypeOf<number | null>()
      return n
    },
    { kind: 'outer', name: 'joined' },
  ),
)
expectTypeOf(counts.pipe(tableTableJoin(counts, (a, b) => a + b))).toEqualTypeOf<Table<string, number, Window>>()
// Keys of different types, and a windowed table with a plain one, don't compile.
const numbered = app.table<User, number>('numbered', { key: json<number>(), value: json<User>() })
// @ts-expect-error
users.pipe(tableTableJoin(numbered, (a, b) => [a, b]))
// @ts-expect-error
users.pipe(tableTableJoin(counts, (a, b) => [a, b]))

// Reads.
expectTypeOf(users.get('ann')).toEqualTypeOf<User | undefined>()
expectTypeOf(users.getAsOf('ann', 5)).toEqualTypeOf<User | undefined>()
expectTypeOf(users.watch('ann')).toEqualTypeOf<Observable<User | undefined>>()
expectTypeOf([...users.range('a', 'b')]).toEqualTypeOf<[key: string, value: User][]>()
expectTypeOf([...counts.range()]).toEqualTypeOf<[key: string, value: number, window: Window][]>()
expectTypeOf([...counts.window('ann', { from: 0 })]).toEqualTypeOf<[number, Window][]>()
expectTypeOf(counts.get('ann', { start: 0, end: 60_000 })).toEqualTypeOf<number | undefined>()
expectTypeOf(counts.changes()).toEqualTypeOf<Observable<Change<string, number, Window>>>()
// @ts-expect-error
counts.get('ann')
// @ts-expect-error
users.get('ann', { start: 0, end: 60_000 })
// @ts-expect-error
users.get(5)
