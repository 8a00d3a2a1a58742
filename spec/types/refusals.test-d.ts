import * as rxjs from 'rxjs'
import {
  type App,
  aggregate,
  collect,
  count,
  countWindow,
  deadLetter,
  foreignKeyJoin,
  globalTableJoin,
  globalWindow,
  hoppingWindow,
  json,
  keyBy,
  mapAsync,
  retry,
  rollingAggregate,
  sessionWindow,
  slidingWindow,
  streamStreamJoin,
  streamTableJoin,
  sum,
  tableTableJoin,
  toTable,
  toTopic,
  tumblingWindow,
  withWatermark,
} from 'tidemark'

// Compiled with everything else (`npm run types`), never run: each of these must not compile.

interface Order {
  readonly userId: string
  readonly amount: number
}
declare const app: App
const orders = app.stream<Order>('orders', { value: json<Order>() })
const users = app.table<string>('users', { value: json<string>() })
const totals = app.table<number, number>('totals', { key: json<number>(), value: json<number>() })

// The wrong import: RxJS has operators of the same names.
// @ts-expect-error
orders.pipe(aggregate(rxjs.count()))
// @ts-expect-error
orders.pipe(aggregate({ n: rxjs.count() }))
// @ts-expect-error
orders.pipe(aggregate({ n: count(), most: rxjs.max() }))
// @ts-expect-error
orders.pipe(aggregate(rxjs.min()))
// @ts-expect-error
orders.pipe(aggregate(rxjs.first()))
// @ts-expect-error
orders.pipe(aggregate(rxjs.last()))
// @ts-expect-error
orders.pipe(aggregate(rxjs.reduce((a) => a)))
// @ts-expect-error
orders.pipe(tumblingWindow('1m'), aggregate(rxjs.count()))
// @ts-expect-error
orders.pipe(rollingAggregate('1m', rxjs.count()))
// @ts-expect-error
orders.pipe(rollingAggregate('1m', { n: rxjs.count() }))
// @ts-expect-error
orders.pipe(aggregate(count))
// And ours in RxJS's place.
// @ts-expect-error
orders.pipe(count())
// @ts-expect-error
orders.pipe(sum((order) => order.value.amount))

// What has no timestamp has no place in a window, in time, or in an aggregate.
const bare = rxjs.of({ key: 'ann', value: 1 })
const untimed = rxjs.of({ key: 'ann', value: 1, topic: '', partition: 0, offset: 0, headers: [] })
const values = orders.pipe(rxjs.map((order) => order.value))
// @ts-expect-error
rxjs.of(1, 2, 3).pipe(tumblingWindow('1m'))
// @ts-expect-error
bare.pipe(tumblingWindow('1m'))
// @ts-expect-error
untimed.pipe(tumblingWindow('1m'))
// @ts-expect-error
values.pipe(tumblingWindow('1m'))
// @ts-expect-error
untimed.pipe(hoppingWindow('1m', '10s'))
// @ts-expect-error
untimed.pipe(slidingWindow('1m'))
// @ts-expect-error
untimed.pipe(sessionWindow('1m'))
// @ts-expect-error
untimed.pipe(countWindow(5))
// @ts-expect-error
untimed.pipe(globalWindow())
// @ts-expect-error
orders.pipe(streamStreamJoin(untimed, (left) => left, { within: '1m', name: 'untimed' }))
// @ts-expect-error
untimed.pipe(tumblingWindow('1m'), aggregate(count()))
// @ts-expect-error
untimed.pipe(rollingAggregate('1m', count()))
// @ts-expect-error
untimed.pipe(withWatermark({ maxOutOfOrderness: '5s' }))
// @ts-expect-error
untimed.pipe(aggregate(count()))
// @ts-expect-error
untimed.pipe(mapAsync(async (record) => record))
// @ts-expect-error
values.pipe(keyBy((order) => order))
// @ts-expect-error
values.pipe(toTopic('out'))
// @ts-expect-error a timestamp is a number
orders.pipe(rxjs.map((order) => ({ ...order, timestamp: new Date(order.timestamp) }))).pipe(tumblingWindow('1m'))

// Streams and tables of different key types don't meet.
// @ts-expect-error
orders.pipe(streamTableJoin(totals, (order) => order))
// @ts-expect-error
orders.pipe(keyBy((order) => order.value.amount)).pipe(streamTableJoin(users, (order) => order))
// @ts-expect-error
orders.pipe(keyBy((order) => [order.value.userId] as const)).pipe(streamTableJoin(users, (order) => order))
const counts = toTable('counts', orders.pipe(aggregate(count())))
orders.pipe(streamTableJoin(counts, (order) => order))
// @ts-expect-error
orders.pipe(keyBy((order) => order.value.amount)).pipe(streamTableJoin(counts, (order) => order))
// @ts-expect-error merged streams of several key types have no one key
app.run('merged', rxjs.merge(orders, orders.pipe(keyBy((order) => order.value.amount))).pipe(toTopic('out')))

const numbered = orders.pipe(keyBy((order) => order.value.amount))
orders.pipe(streamStreamJoin(orders, (left) => left, { within: '1m', name: 'same' }))
// @ts-expect-error
orders.pipe(streamStreamJoin(numbered, (left) => left, { within: '1m', name: 'other' }))
// @ts-expect-error
numbered.pipe(streamStreamJoin(orders, (left) => left, { within: '1m', name: 'other' }))
users.pipe(tableTableJoin(counts, (user) => user))
// @ts-expect-error
users.pipe(tableTableJoin(totals, (user) => user))
users.pipe(foreignKeyJoin(totals, Number, (user) => user, { name: 'by-number' }))
// @ts-expect-error a foreign key has the type of the other table's keys
users.pipe(foreignKeyJoin(totals, String, (user) => user, { name: 'by-text' }))
const rates = app.globalTable<number>('rates', { value: json<number>() })
orders.pipe(globalTableJoin(rates, (order) => order.value.userId, (order) => order)) // biome-ignore format: one line
// @ts-expect-error a key that is looked up has the type of the table's keys
orders.pipe(globalTableJoin(rates, (order) => order.value.amount, (order) => order)) // biome-ignore format: one line

// A key must be one: an object or a date compares by identity.
// @ts-expect-error
orders.pipe(keyBy((order) => order.value))
// @ts-expect-error
orders.pipe(keyBy((order) => new Date(order.timestamp)))

// A joiner gets what the two sides hold, and its result is what comes out.
// @ts-expect-error
orders.pipe(streamTableJoin(users, (order, user) => user.length + order.length))
// @ts-expect-error in a left join there may be no user
orders.pipe(streamTableJoin(users, (_order, user) => user.length, { kind: 'left' }))
// @ts-expect-error
orders.pipe(streamTableJoin(users, (order) => order, { kind: 'outer' }))

// Options that aren't there, and values that they can't have.
// @ts-expect-error
orders.pipe(aggregate(count(), { emit: 'closed' }))
// @ts-expect-error
orders.pipe(tumblingWindow('1m', { grace: 'a while' }))
// @ts-expect-error
orders.pipe(rollingAggregate('1 minute', collect()))
// @ts-expect-error
orders.pipe(aggregate({ n: 5 }))

// A policy is one of ours: rxjs's retry is an operator, and what is tried again has to end somehow.
mapAsync(async () => 1, { onError: retry({ times: 2, orElse: deadLetter('dead') }) })
// @ts-expect-error
mapAsync(async () => 1, { onError: rxjs.retry(2) })
// @ts-expect-error
mapAsync(async () => 1, { onError: retry({ times: 2, orElse: retry({ times: 2 }) }) })
// @ts-expect-error
app.stream<number>('in', { value: json(), onError: { deserialize: 'skip' } })
// @ts-expect-error every instance reads a global table: there would be a dead letter of each
app.globalTable<number>('rates', { value: json<number>(), onError: deadLetter('dead') })
