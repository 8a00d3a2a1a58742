import { expectTypeOf } from 'expect-type'
import type { Observable } from 'rxjs'
import {
  type Aggregator,
  type App,
  aggregate,
  approxCountDistinct,
  avg,
  collect,
  correlation,
  count,
  countDistinct,
  first,
  type Histogram,
  histogram,
  json,
  keyBy,
  last,
  max,
  median,
  min,
  quantiles,
  reduce,
  rollingAggregate,
  type StreamRecord,
  stddev,
  sum,
  topK,
  toTable,
  tumblingWindow,
  variance,
} from 'tidemark'

// What comes out of each aggregator, with the record's type from the pipe: nothing is annotated.

interface Order {
  readonly userId: string
  readonly amount: number
  readonly product: string
}
declare const app: App
const orders = app.stream<Order>('orders', { value: json<Order>() })

type ValueOf<S> = S extends Observable<infer R extends StreamRecord<any, any>> ? R['value'] : never
type KeyOf<S> = S extends Observable<infer R extends StreamRecord<any, any>> ? R['key'] : never

const several = orders.pipe(
  tumblingWindow('1m'),
  aggregate({
    orders: count(),
    total: sum((order) => order.value.amount),
    mean: avg((order) => order.value.amount),
    least: min((order) => order.value.product),
    most: max((order) => order.value.amount, { retractable: true }),
    users: countDistinct((order) => order.value.userId),
    about: approxCountDistinct((order) => order.value.userId, { precision: 14 }),
    all: collect(),
    products: collect((order) => order.value.product),
    earliest: first(),
    when: last((order) => order.timestamp),
    three: topK(3, (order) => order.value.amount),
    best: topK(3, (order) => order.value, { by: (order) => order.value.amount, retractable: true }),
    sizes: histogram((order) => order.value.amount, { buckets: [1, 10, 100] }),
    middle: median((order) => order.value.amount, { relativeError: 0.001 }),
    tails: quantiles((order) => order.value.amount, [0.9, 0.99]),
    spread: stddev((order) => order.value.amount),
    sampled: stddev((order) => order.value.amount, { kind: 'sample' }),
    square: variance((order) => order.value.amount, { kind: 'population' }),
    together: correlation(
      (order) => order.value.amount,
      (order) => order.timestamp,
    ),
  }),
)
expectTypeOf<ValueOf<typeof several>>().toEqualTypeOf<{
  readonly orders: number
  readonly total: number
  readonly mean: number
  readonly least: string
  readonly most: number
  readonly users: number
  readonly about: number
  readonly all: readonly Order[]
  readonly products: readonly string[]
  readonly earliest: Order
  readonly when: number
  readonly three: readonly number[]
  readonly best: readonly Order[]
  readonly sizes: Histogram
  readonly middle: number
  readonly tails: readonly [number, number]
  readonly spread: number
  readonly sampled: number | null
  readonly square: number
  readonly together: number | null
}>()

// One by itself.
expectTypeOf<ValueOf<ReturnType<typeof collected>>>().toEqualTypeOf<readonly Order[]>()
function collected() {
  return orders.pipe(aggregate(collect()))
}
const joined = orders.pipe(aggregate(reduce((a, b) => ({ ...a, amount: a.amount + b.amount }))))
expectTypeOf<ValueOf<typeof joined>>().toEqualTypeOf<Order>()
const chosen = orders.pipe(aggregate(topK(5, (order) => order.value.product)))
expectTypeOf<ValueOf<typeof chosen>>().toEqualTypeOf<readonly string[]>()
declare const asked: readonly number[]
const listed = orders.pipe(aggregate(quantiles((order) => order.value.amount, asked)))
expectTypeOf<ValueOf<typeof listed>>().toEqualTypeOf<readonly number[]>()
declare const kind: 'population' | 'sample'
const either = orders.pipe(aggregate(variance((order) => order.value.amount, { kind })))
expectTypeOf<ValueOf<typeof either>>().toEqualTypeOf<number | null>()

// Over a rolling window a record is what is kept of it: key, value, timestamp. Null values never come in.
const nullable = app.stream<Order | null>('nullable', { value: json<Order | null>() })
const rolled = nullable.pipe(
  keyBy((order) => [order.value?.userId ?? '', 1] as const),
  rollingAggregate('10m', {
    all: collect(),
    last: last((order) => order.key[0]),
    top: max((order) => order.timestamp),
  }),
)
expectTypeOf<KeyOf<typeof rolled>>().toEqualTypeOf<readonly [string, 1]>()
expectTypeOf<ValueOf<typeof rolled>>().toEqualTypeOf<{
  readonly all: readonly Order[]
  readonly last: string
  readonly top: number
}>()
expectTypeOf(toTable('rolled', rolled).get(['ann', 1])).toEqualTypeOf<ValueOf<typeof rolled> | undefined>()
const rolledOne = orders.pipe(rollingAggregate('10m', collect(), { name: 'rolled' }))
expectTypeOf<ValueOf<typeof rolledOne>>().toEqualTypeOf<readonly Order[]>()
// Where nothing is known of the records, too.
export const anything: (source: Observable<any>) => Observable<any> = rollingAggregate('10m', collect())
export const anythingElse: (source: Observable<any>) => Observable<any> = aggregate(collect())
export function generic<V>(source: Observable<StreamRecord<string, V>>) {
  return source.pipe(rollingAggregate('10m', collect()))
}
expectTypeOf(generic<number>).returns.toEqualTypeOf<Observable<StreamRecord<string, readonly number[]>>>()
// @ts-expect-error a record's offset isn't kept
orders.pipe(rollingAggregate('10m', { at: max((order) => order.offset) }))

// One of one's own.
const longest: Aggregator<{ readonly value: Order }, string, string> = {
  init: () => '',
  add: (acc, { value }) => (value.product.length > acc.length ? value.product : acc),
  merge(a, b, key) {
    expectTypeOf(key).toExtend<unknown>()
    return b.length > a.length ? b : a
  },
}
const own = orders.pipe(aggregate({ longest, n: count() }))
expectTypeOf<ValueOf<typeof own>>().toEqualTypeOf<{ readonly longest: string; readonly n: number }>()
// @ts-expect-error it is not for records of that value
app.stream<number>('numbers', { value: json<number>() }).pipe(aggregate(longest))

// What can't be ranked, summed or counted.
// @ts-expect-error
orders.pipe(aggregate(sum((order) => order.value.product)))
// @ts-expect-error
orders.pipe(aggregate(max((order) => order.value)))
// @ts-expect-error
orders.pipe(aggregate(topK(3, (order) => order.value)))
// @ts-expect-error
orders.pipe(aggregate(topK(3, (order) => order.value, { by: (order) => order.value })))
// @ts-expect-error
orders.pipe(aggregate(median((order) => order.value.product)))
// @ts-expect-error
orders.pipe(aggregate(countDistinct((order) => order.value)))
// @ts-expect-error
orders.pipe(aggregate(stddev((order) => order.value.amount, { kind: 'half' })))
// @ts-expect-error
orders.pipe(aggregate(histogram((order) => order.value.amount)))
