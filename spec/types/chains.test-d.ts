import { expectTypeOf } from 'expect-type'
import { filter, map, merge, type Observable } from 'rxjs'
import {
  type App,
  aggregate,
  avg,
  type Change,
  collect,
  count,
  countWindow,
  globalWindow,
  hoppingWindow,
  json,
  keyBy,
  mapAsync,
  mapValues,
  max,
  process,
  rollingAggregate,
  type StreamRecord,
  sessionWindow,
  shared,
  sideOutput,
  slidingWindow,
  streamStreamJoin,
  streamTableJoin,
  sum,
  type Table,
  tableFilter,
  tableGroupBy,
  tableMapValues,
  tableTableJoin,
  toTable,
  toTopic,
  tumblingWindow,
  type Window,
  type WindowedRecord,
  withWatermark,
} from 'tidemark'

// Key, value and window through long pipes: each step is given the type of what comes in, and none is annotated.

interface Payment {
  readonly user: string
  readonly country: 'NZ' | 'PE'
  readonly cents: number
}
interface User {
  readonly name: string
}
declare const app: App
type Of<S> = S extends Observable<infer R> ? R : never

const payments = app.stream<Payment>('payments', { value: json<Payment>() })
const users = app.table<User>('users', { value: json<User>() })

// Everything in one pipe, with RxJS's operators in between: nine, for RxJS's pipe doesn't know the types of more.
const hourly = payments.pipe(
  filter((payment) => payment.value.cents > 0),
  mapValues((payment) => ({ ...payment, dollars: payment.cents / 100 })),
  keyBy((payment) => [payment.value.country, payment.value.user] as const),
  mapAsync(async (payment) => {
    expectTypeOf(payment.key).toEqualTypeOf<readonly ['NZ' | 'PE', string]>()
    return { ...payment.value, risk: payment.value.dollars > 100 ? ('high' as const) : ('low' as const) }
  }),
  keyBy((payment) => payment.key[1]),
  streamTableJoin(users, (payment, user) => ({ name: user.name, risk: payment.risk, dollars: payment.dollars })),
  tumblingWindow('1h', { grace: '1m' }),
  filter((payment) => payment.value.risk === 'high'),
  aggregate({ n: count(), total: sum((payment) => payment.value.dollars), all: collect((p) => p.value.name) }),
)
expectTypeOf<Of<typeof hourly>>().toExtend<WindowedRecord<string>>()
expectTypeOf<Of<typeof hourly>['key']>().toEqualTypeOf<string>()
expectTypeOf<Of<typeof hourly>['window']>().toEqualTypeOf<Window>()
expectTypeOf<Of<typeof hourly>['final']>().toEqualTypeOf<boolean>()
expectTypeOf<Of<typeof hourly>['value']>().toEqualTypeOf<{
  readonly n: number
  readonly total: number
  readonly all: readonly string[]
}>()

// Windowed results go on with their window, until a step that makes other records.
const daily = hourly.pipe(
  mapValues((hour) => hour.total),
  filter((hour) => hour.final && hour.window.start > 0),
)
expectTypeOf<Of<typeof daily>['window']>().toEqualTypeOf<Window>()
expectTypeOf<Of<typeof daily>['value']>().toEqualTypeOf<number>()
const rekeyed = daily.pipe(keyBy((hour) => [hour.key, hour.window.start] as const))
expectTypeOf<Of<typeof rekeyed>['key']>().toEqualTypeOf<readonly [string, number]>()
const peaks = rekeyed.pipe(tumblingWindow('1d'), aggregate(max((hour) => hour.value)))
expectTypeOf<Of<typeof peaks>['key']>().toEqualTypeOf<readonly [string, number]>()
expectTypeOf<Of<typeof peaks>['value']>().toEqualTypeOf<number>()
expectTypeOf<Of<typeof peaks>['window']>().toEqualTypeOf<Window>()
app.run('peaks', peaks.pipe(toTopic('peaks', { key: json<readonly [string, number]>(), value: json<number>() })))

// Every window gives windowed results; a session that another replaces comes out as null.
const hops = payments.pipe(hoppingWindow('1h', '5m'), aggregate(count()))
const slides = payments.pipe(slidingWindow('1h'), aggregate(count()))
const tens = payments.pipe(countWindow(10), aggregate(count()))
const whole = payments.pipe(globalWindow(), aggregate(count()))
expectTypeOf<Of<typeof hops>>().toEqualTypeOf<WindowedRecord<string, number>>()
expectTypeOf<Of<typeof slides>>().toEqualTypeOf<WindowedRecord<string, number>>()
expectTypeOf<Of<typeof tens>>().toEqualTypeOf<WindowedRecord<string, number>>()
expectTypeOf<Of<typeof whole>>().toEqualTypeOf<WindowedRecord<string, number>>()
const visits = payments.pipe(sessionWindow('30m'), aggregate({ n: count(), all: collect() }))
expectTypeOf<Of<typeof visits>['value']>().toEqualTypeOf<{
  readonly n: number
  readonly all: readonly Payment[]
} | null>()

// Joins: what is missing on a side is null where the kind allows it.
const refunds = app.stream<{ readonly why: string }>('refunds', { value: json<{ readonly why: string }>() })
const outer = payments.pipe(
  streamStreamJoin(
    refunds,
    (payment, refund) => {
      expectTypeOf(payment).toEqualTypeOf<Payment | null>()
      expectTypeOf(refund).toEqualTypeOf<{ readonly why: string } | null>()
      return [payment?.cents, refund?.why] as const
    },
    { within: '1h', kind: 'outer', name: 'refunded' },
  ),
)
expectTypeOf<Of<typeof outer>['value']>().toEqualTypeOf<readonly [number | undefined, string | undefined]>()
const matched = payments.pipe(
  streamStreamJoin(refunds, (payment, refund) => ({ ...payment, ...refund }), { within: '1h', name: 'matched' }),
)
expectTypeOf<Of<typeof matched>['value']['why']>().toEqualTypeOf<string>()

// A window before a rolling one needs an aggregate between them; then the types are the inner one's.
const means = hourly.pipe(rollingAggregate('6h', { mean: avg((hour) => hour.value.total), hours: collect() }))
expectTypeOf<Of<typeof means>['value']>().toEqualTypeOf<{
  readonly mean: number
  readonly hours: readonly { readonly n: number; readonly total: number; readonly all: readonly string[] }[]
}>()
expectTypeOf<'window' extends keyof Of<typeof means> ? true : false>().toEqualTypeOf<false>()

// Tables: of a topic, of an aggregate, of a stream.
const byUser = payments.pipe(
  keyBy((payment) => payment.value.user),
  aggregate({ n: count() }, { name: 'by-user' }),
)
const counts = toTable('counts', byUser)
expectTypeOf(counts).toEqualTypeOf<Table<string, { readonly n: number }>>()
expectTypeOf(counts.changes()).toEqualTypeOf<Observable<Change<string, { readonly n: number }>>>()
const withCount = payments.pipe(
  keyBy((payment) => payment.value.user),
  streamTableJoin(counts, (payment, known) => [payment.cents, known?.n] as const, { kind: 'left' }),
)
expectTypeOf<Of<typeof withCount>['value']>().toEqualTypeOf<readonly [number, number | undefined]>()

const names = users.pipe(
  tableFilter(({ value }) => value.name !== ''),
  tableMapValues((user) => user.name),
  tableTableJoin(counts, (name, known) => ({ name, n: known?.n ?? 0 }), { kind: 'left' }),
  tableGroupBy(({ value }) => value.n, { rows: count() }, { name: 'by-count' }),
)
expectTypeOf<Of<ReturnType<typeof names.changes>>['key']>().toEqualTypeOf<number>()
expectTypeOf<NonNullable<Of<ReturnType<typeof names.changes>>['value']>>().toEqualTypeOf<{ readonly rows: number }>()

// Merged streams are of either.
const merged = merge(payments, payments.pipe(mapValues((payment) => payment.cents)))
expectTypeOf<Of<typeof merged>['value']>().toEqualTypeOf<Payment | number>()
expectTypeOf<Of<typeof merged>['key']>().toEqualTypeOf<string>()

// Ours that pass on what they get, and RxJS's map.
const same = payments.pipe(shared(), withWatermark({ maxOutOfOrderness: 0 }))
expectTypeOf<Of<typeof same>>().toEqualTypeOf<StreamRecord<string, Payment>>()
const mapped = payments.pipe(map((payment) => ({ ...payment, value: payment.value.cents })))
expectTypeOf<Of<typeof mapped>['value']>().toEqualTypeOf<number>()

// process says what it emits; a side output what it carries.
const late = sideOutput<StreamRecord<string, Payment>>('late')
expectTypeOf<Of<typeof late>['value']>().toEqualTypeOf<Payment>()
const alerts = payments.pipe(
  process<StreamRecord<string, Payment>, StreamRecord<string, string>>(
    (context) => {
      const seen = context.keyed<string, number>()
      return {
        record(payment) {
          expectTypeOf(payment.value).toEqualTypeOf<Payment>()
          expectTypeOf(seen.get(payment.key)).toEqualTypeOf<number | undefined>()
          expectTypeOf(context.emit).parameter(0).toEqualTypeOf<StreamRecord<string, string>>()
        },
      }
    },
    { name: 'alerts' },
  ),
)
expectTypeOf<Of<typeof alerts>['value']>().toEqualTypeOf<string>()
