import { expectTypeOf } from 'expect-type'
import { type Observable, count as rxjsCount } from 'rxjs'
import {
  type App,
  aggregate,
  type Change,
  count,
  type Duration,
  json,
  type Key,
  keyBy,
  mapAsync,
  mapValues,
  matchPattern,
  pattern,
  process,
  record,
  rollingAggregate,
  type Serde,
  type StreamRecord,
  streamTableJoin,
  sum,
  type Table,
  type Timers,
  toTable,
  toTopic,
  tumblingWindow,
  type Window,
  type WindowedRecord,
  withWatermark,
} from 'tidemark'

// Compiled with everything else (`npm run types`), never run.

interface Order {
  readonly userId: string
  readonly amount: number
}
interface User {
  readonly tier: 'gold' | 'free'
}
declare const app: App

const orders = app.stream<Order>('orders', { value: json<Order>() })
expectTypeOf(orders).toEqualTypeOf<Observable<StreamRecord<string, Order>>>()

const users = app.table<User>('users', { value: json<User>() })
expectTypeOf(users).toEqualTypeOf<Table<string, User>>()
expectTypeOf(users.changes()).toEqualTypeOf<Observable<Change<string, User>>>()

// Key, value and window, through the whole pipe.
const spend = orders.pipe(
  keyBy((order) => order.value.userId),
  streamTableJoin(
    users,
    (order, user) => {
      expectTypeOf(order).toEqualTypeOf<Order>()
      expectTypeOf(user).toEqualTypeOf<User | null>()
      return { ...order, tier: user?.tier }
    },
    { kind: 'left' },
  ),
  tumblingWindow('5m', { grace: '1m' }),
  aggregate({ orders: count(), total: sum((order) => order.value.amount) }, { name: 'spend', emit: 'close' }),
)
type Spend = typeof spend extends Observable<infer R> ? R : never
expectTypeOf<Spend>().toExtend<WindowedRecord<string, { readonly orders: number; readonly total: number }>>()
expectTypeOf<Spend['key']>().toEqualTypeOf<string>()
expectTypeOf<Spend['value']['total']>().toEqualTypeOf<number>()
expectTypeOf<Spend['window']>().toEqualTypeOf<Window>()
app.run('spend', spend.pipe(toTopic('spend')))

// An inner join never meets null.
orders.pipe(
  streamTableJoin(users, (_order, user) => {
    expectTypeOf(user).toEqualTypeOf<User>()
    return user.tier
  }),
)

// Without a window there is none on the results.
const totals = orders.pipe(
  aggregate(
    sum((order) => order.value.amount),
    { name: 'totals' },
  ),
)
expectTypeOf(totals).toExtend<Observable<StreamRecord<string, number>>>()
expectTypeOf<
  typeof totals extends Observable<infer R> ? ('window' extends keyof R ? true : false) : never
>().toEqualTypeOf<false>()
expectTypeOf(toTable('totals', totals).get('a')).toEqualTypeOf<number | undefined>()

// A key of another type.
const byAmount = orders.pipe(keyBy((order) => [order.value.userId, order.value.amount] as const))
expectTypeOf<typeof byAmount extends Observable<infer R extends StreamRecord> ? R['key'] : never>().toEqualTypeOf<
  readonly [string, number]
>()

// Values by what the functions return.
const lengths = orders.pipe(
  mapValues((order) => order.userId),
  mapAsync(async (r) => r.value.length),
)
expectTypeOf<
  typeof lengths extends Observable<infer R extends StreamRecord> ? R['value'] : never
>().toEqualTypeOf<number>()
const rolled = orders.pipe(rollingAggregate('10m', count()))
expectTypeOf<
  typeof rolled extends Observable<infer R extends StreamRecord> ? R['key'] : never
>().toEqualTypeOf<string>()

// The wrong import: rxjs's `count` is no aggregator.
// @ts-expect-error
orders.pipe(aggregate(rxjsCount()))

// Durations are checked by the compiler.
const good: Duration[] = [5, '5ms', '5s', '1.5m', '24h', '7d']
expectTypeOf(good).toEqualTypeOf<Duration[]>()
// @ts-expect-error
tumblingWindow('5 minutes')
// @ts-expect-error
tumblingWindow('m')
// @ts-expect-error
tumblingWindow('5M')

// Keys that are no strings need a serde, in streams, tables and sinks.
const byId = app.stream('by-id', {
  key: json<number>(),
  value: json<Order>(),
  timestamp: (r) => r.key + r.value.amount,
})
expectTypeOf(byId).toEqualTypeOf<Observable<StreamRecord<number, Order>>>()
byId.pipe(toTopic('out', { key: json() }))

// A watermark is a bound, or what records carry, or both; the source's record is known where the source is.
app.stream('by-id', {
  key: json<number>(),
  value: json<Order>(),
  watermark: { punctuated: (r) => r.key + r.value.amount },
})
app.stream<Order>('orders', {
  value: json(),
  watermark: { punctuated: ({ value }) => (value.amount > 5 ? value.amount : null), maxOutOfOrderness: '1s' },
})
orders.pipe(withWatermark({ punctuated: (r: StreamRecord<string, Order>) => r.value.amount }))
// @ts-expect-error
app.stream<Order>('orders', { value: json(), watermark: { punctuated: ({ value }) => value.userId } })
// @ts-expect-error
app.stream<Order>('orders', { value: json(), watermark: { idleTimeout: '1s' } })
// @ts-expect-error
orders.pipe(withWatermark({ punctuated: (r) => r.value.amount }))
orders.pipe(
  keyBy((order) => order.value.amount),
  aggregate(count(), { name: 'by-amount' }),
  toTopic('out', { key: json<number>(), value: json<number>() }),
)
orders.pipe(
  keyBy((order) => (order.value.amount > 5 ? 'much' : 'little')),
  toTopic('out'),
)
app.stream<Order, 'ann' | 'bob'>('some', { value: json() }).pipe(toTopic('out', {}))
// Only values: plain records of any key.
app.run('any', app.stream<any, any>('any', { value: json() }).pipe(toTopic('out')))
// @ts-expect-error
app.stream<Order, number>('orders', { value: json() })
// @ts-expect-error
app.table<Order, number>('orders', { value: json() })
// @ts-expect-error
app.table<Order, number | string>('orders', { value: json() })
// @ts-expect-error
byId.pipe(toTopic('out'))
// @ts-expect-error
byId.pipe(toTopic('out', { value: json() }))
orders.pipe(
  keyBy((order) => order.value.amount),
  aggregate(count(), { name: 'by-amount' }),
  // @ts-expect-error
  toTopic('out'),
)

// The same where the type of the keys isn't known yet.
export function ordersOf<K extends Key>(topic: string, key: Serde<K>): Observable<StreamRecord<K, Order>> {
  return app.stream(topic, { key, value: json<Order>() })
}

// A table of one key type isn't joined with a stream of another.
const numbered = app.table<User, number>('numbered', { key: json<number>(), value: json<User>() })
// @ts-expect-error
orders.pipe(streamTableJoin(numbered, (order) => order))

// A filter of rxjs would lose a table's deletes: a table's pipe doesn't take it.
// @ts-expect-error
users.pipe(filter(() => true))
users.pipe

// A processor's timers have the keys of its records, and so has the present one.
byId.pipe(
  process(({ timers, wallTimers, value, emit }) => {
    const seen = value<Order>()
    expectTypeOf(seen.get()).toEqualTypeOf<Order | undefined>()
    expectTypeOf(wallTimers).toEqualTypeOf<Timers<number>>()
    return {
      record(order) {
        expectTypeOf(order).toEqualTypeOf<StreamRecord<number, Order>>()
        timers.at(order.timestamp + 1, order.key)
        // @ts-expect-error
        timers.at(order.timestamp + 1, 'a')
      },
      timer(timestamp, key) {
        expectTypeOf(key).toEqualTypeOf<number>()
        emit(record(key, 'late', timestamp))
      },
    }
  }),
)

// What a pattern has matched, step by step: predicates see the steps before them, `select` all of them.
type OrderRecord = StreamRecord<string, Order>
const tried = pattern('small', (order: OrderRecord) => order.value.amount < 10)
  .followedBy(
    'more',
    (order, { small, more }) => {
      expectTypeOf(small).toEqualTypeOf<OrderRecord>()
      expectTypeOf(more).toEqualTypeOf<readonly OrderRecord[]>()
      return order.value.amount < small.value.amount
    },
    { times: [1, 3] },
  )
  .notFollowedBy('none', (order, matched) => {
    expectTypeOf(matched).toEqualTypeOf<{ readonly small: OrderRecord; readonly more: readonly OrderRecord[] }>()
    return order.value.amount === 0
  })
  .followedBy(
    'large',
    (order, matched) => {
      expectTypeOf(order).toEqualTypeOf<OrderRecord>()
      // @ts-expect-error
      matched.large
      return order.value.amount > 100
    },
    { within: '1m' },
  )
  .within('5m')
const found = orders.pipe(
  matchPattern(tried, {
    name: 'tried',
    select({ small, more, large }) {
      expectTypeOf(more).toEqualTypeOf<readonly OrderRecord[]>()
      return [small.value.amount, large.value.amount]
    },
  }),
)
expectTypeOf(found).toEqualTypeOf<Observable<StreamRecord<string, number[]>>>()
expectTypeOf(orders.pipe(matchPattern(tried))).toEqualTypeOf<
  Observable<
    StreamRecord<
      string,
      { readonly small: OrderRecord; readonly more: readonly OrderRecord[]; readonly large: OrderRecord }
    >
  >
>()
// A pattern over other records; a time limit that is none.
// @ts-expect-error
byId.pipe(matchPattern(tried))
// @ts-expect-error
tried.within('5 minutes')
