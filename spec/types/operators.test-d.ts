import { expectTypeOf } from 'expect-type'
import type { Observable } from 'rxjs'
import {
  type App,
  aggregate,
  batch,
  count,
  dedup,
  flatMap,
  type InWindow,
  json,
  latest,
  memory,
  peek,
  rateLimit,
  record,
  type StreamRecord,
  selectKey,
  split,
  type TransactionalStore,
  toRows,
  toTopic,
  tumblingWindow,
  type WindowedRecord,
} from 'tidemark'

// Compiled with everything else (`npm run types`), never run.

interface Order {
  readonly userId: string
  readonly amount: number
  readonly items: readonly string[]
}
type OrderRecord = StreamRecord<string, Order>
type RecordOf<S> = S extends Observable<infer R> ? R : never

declare const app: App
const orders = app.stream<Order>('orders', { value: json<Order>() })

// selectKey: the new key, and what may be none.
const byAmount = orders.pipe(selectKey((order) => order.value.amount))
expectTypeOf<RecordOf<typeof byAmount>['key']>().toEqualTypeOf<number>()
expectTypeOf<RecordOf<typeof byAmount>['value']>().toEqualTypeOf<Order>()
const maybe = orders.pipe(selectKey((order) => (order.value.amount > 0 ? order.value.userId : undefined)))
expectTypeOf<RecordOf<typeof maybe>['key']>().toEqualTypeOf<string | null>()
// The topic's serde must be able to write it.
// @ts-expect-error numbers as keys need a serde
byAmount.pipe(toTopic('out'))
byAmount.pipe(toTopic('out', { key: json<number>() }))
// @ts-expect-error an object is no key
orders.pipe(selectKey((order) => order.value))
// @ts-expect-error there is no claim that it isn't
orders.pipe(selectKey((order) => order.key, { partitioned: false }))

// toRows: the store says what the writes go through; only one with transactions will do.
declare const store: TransactionalStore<{ insert(rows: readonly unknown[]): Promise<void> }>
const written = byAmount.pipe(
  toRows(store, async (tx, records) => {
    expectTypeOf(records).toEqualTypeOf<readonly RecordOf<typeof byAmount>[]>()
    await tx.insert(records)
  }),
)
expectTypeOf<RecordOf<typeof written>>().toEqualTypeOf<RecordOf<typeof byAmount>>()
// @ts-expect-error
byAmount.pipe(toRows(memory(), async () => {}))
// @ts-expect-error
byAmount.pipe(toRows(store, async (tx) => tx.query()))

// flatMap: what is made, and a declared window stays.
const items = orders.pipe(flatMap((order) => order.value.items.map((item) => ({ ...order, value: item }))))
expectTypeOf<RecordOf<typeof items>['value']>().toEqualTypeOf<string>()
expectTypeOf<RecordOf<typeof items>['key']>().toEqualTypeOf<string>()
const counted = orders.pipe(
  tumblingWindow('1m'),
  flatMap((order) => order.value.items.map((item) => record(order.key, item, order.timestamp))),
  aggregate(count()),
)
expectTypeOf<RecordOf<typeof counted>>().toEqualTypeOf<WindowedRecord<string, number>>()
// @ts-expect-error strings are no records
orders.pipe(flatMap((order) => order.value.items))
// @ts-expect-error nor is a promise iterable
orders.pipe(flatMap(async (order) => [order]))

// These leave the type as it is, windows too.
const same = orders.pipe(
  peek((order) => expectTypeOf(order).toEqualTypeOf<OrderRecord>()),
  dedup({ within: '1m', by: (order) => order.value.userId }),
  latest({ every: '1s' }),
  rateLimit({ records: 10, per: '1s' }),
)
expectTypeOf(same).toEqualTypeOf<Observable<OrderRecord>>()
const windowed = orders.pipe(tumblingWindow('1m'), dedup({ within: '1m' }), latest({ every: '1s' }))
expectTypeOf(windowed).toEqualTypeOf<Observable<InWindow<OrderRecord>>>()
// @ts-expect-error an object is no key
orders.pipe(dedup({ within: '1m', by: (order) => order.value }))
// @ts-expect-error it needs a time
orders.pipe(dedup({ name: 'd' }))
// @ts-expect-error no such unit
orders.pipe(latest({ every: '1 second' }))

// batch: arrays, of keys that are there.
const batches = maybe.pipe(batch({ maxRecords: 10, within: '1s' }))
expectTypeOf<RecordOf<typeof batches>>().toEqualTypeOf<StreamRecord<string, Order[]>>()

// split: a stream per name, narrowed by type guards.
interface Paid extends Order {
  readonly paidAt: number
}
const isPaid = (order: OrderRecord): order is StreamRecord<string, Paid> => 'paidAt' in order.value
const { paid, big, rest } = split(orders, { paid: isPaid, big: (order) => order.value.amount > 100 })
expectTypeOf(paid).toEqualTypeOf<Observable<StreamRecord<string, Paid>>>()
expectTypeOf(big).toEqualTypeOf<Observable<OrderRecord>>()
expectTypeOf(rest).toEqualTypeOf<Observable<OrderRecord>>()
// @ts-expect-error there is no such branch
split(orders, { big: () => true }).small
// @ts-expect-error a predicate says yes or no
split(orders, { big: (order) => order.value.amount })

type A = StreamRecord<string, { kind: 'a'; a: number }>
type B = StreamRecord<string, { kind: 'b'; b: number }>
declare const either: Observable<A | B>
const isA = (r: A | B): r is A => r.value.kind === 'a'
expectTypeOf(split(either, { a: isA }).a).toEqualTypeOf<Observable<A>>()
expectTypeOf(split(either, { a: isA }).rest).toEqualTypeOf<Observable<B>>()

// As a function of the stream, predicates say what they are asked about.
const later = split({ paid: isPaid, big: (order: OrderRecord) => order.value.amount > 100 })
expectTypeOf(later(orders).paid).toEqualTypeOf<Observable<StreamRecord<string, Paid>>>()
expectTypeOf(later(orders).rest).toEqualTypeOf<Observable<OrderRecord>>()
// @ts-expect-error these aren't orders
later(counted)
// @ts-expect-error of what?
split({ big: (order) => order.value.amount > 100 })
