import { expectTypeOf } from 'expect-type'
import type { Observable } from 'rxjs'
import {
  type AggregateOptions,
  type App,
  aggregate,
  type Change,
  cogroup,
  collect,
  count,
  countWindow,
  customWindow,
  globalWindow,
  hoppingWindow,
  json,
  type StreamRecord,
  sessionWindow,
  slidingWindow,
  sum,
  suppress,
  type Table,
  toStream,
  toTable,
  tumblingWindow,
  type Window,
  type WindowAssigner,
  type WindowedRecord,
} from 'tidemark'

// Compiled with everything else (`npm run types`), never run.

interface Order {
  readonly userId: string
  readonly amount: number
}
interface Payment {
  readonly paid: boolean
}
declare const app: App

type Of<S> = S extends Observable<infer R> ? R : never
const orders = app.stream<Order>('orders', { value: json<Order>() })
const payments = app.stream<Payment>('payments', { value: json<Payment>() })

// Every window gives windowed results, of the aggregator's type.
const total = sum((order: StreamRecord<string, Order>) => order.value.amount)
const [hopping, sliding, counted, all] = [
  orders.pipe(hoppingWindow('5m', '1m', { grace: 5 }), aggregate(total)),
  orders.pipe(slidingWindow('5m'), aggregate(total)),
  orders.pipe(countWindow(10, { every: 5 }), aggregate(total)),
  orders.pipe(globalWindow(), aggregate(total, { emit: { every: '5s' } })),
] as const
expectTypeOf(hopping).toEqualTypeOf<Observable<WindowedRecord<string, number>>>()
expectTypeOf(sliding).toEqualTypeOf<Observable<WindowedRecord<string, number>>>()
expectTypeOf(counted).toEqualTypeOf<Observable<WindowedRecord<string, number>>>()
expectTypeOf(all).toEqualTypeOf<Observable<WindowedRecord<string, number>>>()

// A window of one's own.
const weeks: WindowAssigner = { windowsOf: (timestamp) => [{ start: timestamp, end: timestamp + 1 }], maxSize: '7d' }
expectTypeOf(orders.pipe(customWindow(weeks), aggregate(count()))).toEqualTypeOf<
  Observable<WindowedRecord<string, number>>
>()

// A session's result may be taken back.
const visits = orders.pipe(sessionWindow('30m'), aggregate({ n: count(), amount: total }))
expectTypeOf<Of<typeof visits>['value']>().toEqualTypeOf<{ readonly n: number; readonly amount: number } | null>()
expectTypeOf(toTable('visits', visits)).toEqualTypeOf<
  Table<string, { readonly n: number; readonly amount: number }, Window>
>()

// On close only, nothing is taken back.
const closed = orders.pipe(sessionWindow('30m'), aggregate(total, { name: 'closed', emit: 'close' }))
expectTypeOf(closed).toEqualTypeOf<Observable<WindowedRecord<string, number>>>()
const early = orders.pipe(sessionWindow('30m'), aggregate(total, { emit: 'close', early: (sum) => sum > 5 }))
expectTypeOf<Of<typeof early>['value']>().toEqualTypeOf<number | null>()
const ticking = orders.pipe(sessionWindow('30m'), aggregate(total, { emit: { every: '5s' } }))
expectTypeOf<Of<typeof ticking>['value']>().toEqualTypeOf<number | null>()

// An early condition knows the result and the record.
orders.pipe(
  tumblingWindow('1h'),
  aggregate(
    { n: count(), amount: sum((order) => order.value.amount) },
    {
      emit: 'close',
      early(result, order) {
        expectTypeOf(result).toEqualTypeOf<{ readonly n: number; readonly amount: number }>()
        expectTypeOf(order.value).toEqualTypeOf<Order>()
        return result.amount > 100
      },
    },
  ),
)
const emits: AggregateOptions['emit'][] = ['update', 'close', { every: '5s' }, undefined]
expectTypeOf(emits).toBeArray()
// @ts-expect-error
orders.pipe(tumblingWindow('1h'), aggregate(count(), { emit: 'final' }))
// @ts-expect-error
orders.pipe(tumblingWindow('1h'), aggregate(count(), { emit: { every: '5 seconds' } }))

// Windowing what has no timestamp doesn't compile.
declare const bare: Observable<{ key: string; value: number }>
// @ts-expect-error
bare.pipe(sessionWindow('1m'))
// @ts-expect-error
bare.pipe(hoppingWindow('1m', '10s'))
// @ts-expect-error
slidingWindow('1 minute')

// cogroup: each adder gets the records of its own stream; one accumulator for all.
const balance = cogroup(
  { init: () => ({ owed: 0, paid: 0 }), result: ({ owed, paid }) => owed - paid },
  [
    [
      orders,
      (acc, order) => {
        expectTypeOf(acc).toEqualTypeOf<{ owed: number; paid: number }>()
        expectTypeOf(order).toEqualTypeOf<StreamRecord<string, Order>>()
        return { ...acc, owed: acc.owed + order.value.amount }
      },
    ],
    [
      payments,
      (acc, payment) => {
        expectTypeOf(payment.value).toEqualTypeOf<Payment>()
        return { ...acc, paid: acc.paid + (payment.value.paid ? 1 : 0) }
      },
    ],
  ],
  { name: 'balance' },
)
expectTypeOf(balance).toEqualTypeOf<Observable<StreamRecord<string, number>>>()
const perHour = cogroup({ init: () => 0, merge: (a, b) => a + b }, [
  [orders.pipe(sessionWindow('1h')), (n) => n + 1],
  [payments.pipe(sessionWindow('1h')), (n) => n - 1],
])
expectTypeOf(perHour).toEqualTypeOf<Observable<WindowedRecord<string, number | null>>>()
const closedPerHour = cogroup(
  { init: () => 0, merge: (a, b) => a + b },
  [[orders.pipe(sessionWindow('1h')), (n) => n + 1]],
  { emit: 'close' },
)
expectTypeOf(closedPerHour).toEqualTypeOf<Observable<WindowedRecord<string, number>>>()
const numbered = app.stream<Order, number>('numbered', { key: json<number>(), value: json<Order>() })
cogroup({ init: () => 0 }, [
  [orders, (n) => n + 1],
  // @ts-expect-error keys of another type
  [numbered, (n) => n + 1],
])
cogroup({ init: () => 0 }, [
  // @ts-expect-error another accumulator
  [orders, (n) => `${n}`],
  [orders, (n) => n + 1],
])

// suppress keeps a table's type, windows included.
const final = toTable('visits', visits).pipe(suppress({ until: 'close', name: 'final' }))
expectTypeOf<Of<ReturnType<(typeof final)['changes']>>>().toEqualTypeOf<
  Change<string, { readonly n: number; readonly amount: number }, Window>
>()
expectTypeOf<Of<typeof finalStream>['window']>().toEqualTypeOf<Window>()
const finalStream = final.pipe(toStream())
const users = app.table<Order>('users', { value: json<Order>() })
expectTypeOf(users.pipe(suppress({ until: '5s', maxRecords: 10, whenFull: 'fail' }))).toEqualTypeOf<
  Table<string, Order>
>()
// @ts-expect-error nothing comes out early before the close
users.pipe(suppress({ until: 'close', whenFull: 'emit' }))
// @ts-expect-error
users.pipe(suppress({ until: 'closed' }))

void collect
