import { expectTypeOf } from 'expect-type'
import type { Observable } from 'rxjs'
import {
  type App,
  foreignKeyJoin,
  type GlobalTable,
  globalTable,
  globalTableJoin,
  json,
  type StreamRecord,
  streamStreamJoin,
  streamTableJoin,
  type Table,
  toStream,
} from 'tidemark'

// Compiled with everything else (`npm run types`), never run.

interface Order {
  readonly product: string
  readonly amount: number
}
interface Shipment {
  readonly carrier: string
}
declare const app: App
declare const keyless: Observable<StreamRecord<string | null, Shipment>>
const orders = app.stream<Order>('orders', { value: json<Order>() })
const shipments = app.stream<Shipment>('shipments', { value: json<Shipment>() })
const numbered = app.stream<Shipment, number>('numbered', { key: json<number>(), value: json<Shipment>() })

// Streams: null where a join of that kind may have none.
const both = orders.pipe(
  streamStreamJoin(
    shipments,
    (order, shipment, key) => {
      expectTypeOf(order).toEqualTypeOf<Order>()
      expectTypeOf(shipment).toEqualTypeOf<Shipment>()
      expectTypeOf(key).toEqualTypeOf<string>()
      return [order.product, shipment.carrier] as const
    },
    { within: '24h', name: 'both' },
  ),
)
expectTypeOf(both).toEqualTypeOf<Observable<StreamRecord<string, readonly [string, string]>>>()
orders.pipe(
  streamStreamJoin(
    shipments,
    (order, shipment) => {
      expectTypeOf(order).toEqualTypeOf<Order>()
      expectTypeOf(shipment).toEqualTypeOf<Shipment | null>()
      return order
    },
    { after: '24h', kind: 'left' },
  ),
)
const outer = keyless.pipe(
  streamStreamJoin(
    shipments,
    (left, right, key) => {
      expectTypeOf(left).toEqualTypeOf<Shipment | null>()
      expectTypeOf(right).toEqualTypeOf<Shipment | null>()
      expectTypeOf(key).toEqualTypeOf<string | null>()
      return 5
    },
    { before: 10, kind: 'outer' },
  ),
)
expectTypeOf(outer).toEqualTypeOf<Observable<StreamRecord<string | null, number>>>()
// Without a key nothing is joined: only a preserved side passes such records on.
expectTypeOf(keyless.pipe(streamStreamJoin(shipments, () => 5, { within: 1 }))).toEqualTypeOf<
  Observable<StreamRecord<string, number>>
>()
expectTypeOf(shipments.pipe(streamStreamJoin(keyless, () => 5, { within: 1, kind: 'left' }))).toEqualTypeOf<
  Observable<StreamRecord<string, number>>
>()
expectTypeOf(shipments.pipe(streamStreamJoin(keyless, () => 5, { within: 1, kind: 'outer' }))).toEqualTypeOf<
  Observable<StreamRecord<string | null, number>>
>()

// Streams of different key types don't meet.
// @ts-expect-error
orders.pipe(streamStreamJoin(numbered, () => 5, { within: 1 }))
// @ts-expect-error
numbered.pipe(streamStreamJoin(orders, () => 5, { within: 1 }))
// @ts-expect-error there is no join without an interval of time
orders.pipe(streamStreamJoin(shipments, () => 5))
// @ts-expect-error
orders.pipe(streamStreamJoin(shipments, () => 5, { within: '5 minutes' }))
// @ts-expect-error in a left join there may be no shipment
orders.pipe(streamStreamJoin(shipments, (_order, shipment) => shipment.carrier, { within: 1, kind: 'left' }))
// @ts-expect-error
orders.pipe(streamStreamJoin(shipments, () => 5, { within: 1, kind: 'right' }))

// Tables: as of the record's timestamp, with options of their own.
const products = app.table<{ price: number }>('products', { value: json(), history: '1h' })
orders.pipe(streamTableJoin(products, (order, { price }) => price * order.amount, { grace: '10s', name: 'priced' }))
orders.pipe(streamTableJoin(products, (_order, product) => product?.price, { kind: 'left', bootstrap: true }))
// @ts-expect-error
orders.pipe(streamTableJoin(products, () => 5, { grace: 'a while' }))

// Global tables: by a key of the table's type, whatever the stream's.
const prices = app.globalTable<number>('prices', { value: json<number>() })
expectTypeOf(prices).toEqualTypeOf<GlobalTable<string, number>>()
expectTypeOf(prices.get('apple')).toEqualTypeOf<number | undefined>()
expectTypeOf([...prices.entries()]).toEqualTypeOf<[string, number][]>()
const priced = orders.pipe(
  globalTableJoin(
    prices,
    (order) => order.value.product,
    (order, price, record) => {
      expectTypeOf(order).toEqualTypeOf<Order>()
      expectTypeOf(price).toEqualTypeOf<number | null>()
      expectTypeOf(record).toEqualTypeOf<StreamRecord<string, Order>>()
      return price
    },
    { kind: 'left' },
  ),
)
expectTypeOf(priced).toExtend<Observable<StreamRecord<string, number | null>>>()
numbered.pipe(
  globalTableJoin(
    prices,
    ({ value }) => value.carrier,
    (_, price) => price.toFixed(),
  ),
)
const product = ({ value }: { value: Order }) => value.product
const amount = ({ value }: { value: Order }) => value.amount
// @ts-expect-error
orders.pipe(globalTableJoin(prices, amount, () => 5))
// @ts-expect-error in a left join there may be no price
orders.pipe(globalTableJoin(prices, product, (_, price) => price.toFixed(), { kind: 'left' }))
// @ts-expect-error it is no table that has changes
prices.changes()
// @ts-expect-error a key serde, where keys are no strings
app.globalTable<number, number>('prices', { value: json<number>() })
expectTypeOf(globalTable(numbered)).toEqualTypeOf<GlobalTable<number, Shipment>>()

// Foreign keys: of the other table's key type; a result has the left one's.
const rows = app.table<Order, number>('rows', { key: json<number>(), value: json<Order>() })
const joined = rows.pipe(
  foreignKeyJoin(
    products,
    (order, key) => {
      expectTypeOf(order).toEqualTypeOf<Order>()
      expectTypeOf(key).toEqualTypeOf<number>()
      return order.product
    },
    (order, product) => {
      expectTypeOf(order).toEqualTypeOf<Order>()
      expectTypeOf(product).toEqualTypeOf<{ price: number }>()
      return order.amount * product.price
    },
    { name: 'joined' },
  ),
)
expectTypeOf(joined).toEqualTypeOf<Table<number, number>>()
expectTypeOf(
  rows.pipe(
    foreignKeyJoin(
      products,
      (order) => (order.amount > 0 ? order.product : null),
      (order, product) => {
        expectTypeOf(product).toEqualTypeOf<{ price: number } | null>()
        return product === null ? null : order.amount
      },
      { kind: 'left', name: 'joined' },
    ),
    toStream(),
  ),
).toEqualTypeOf<Observable<StreamRecord<number, number | null>>>()
const byProduct = (row: Order) => row.product
const byAmount = (row: Order) => row.amount
const five = () => 5
rows.pipe(foreignKeyJoin(products, byProduct, five, { name: 'j' }))
// @ts-expect-error
rows.pipe(foreignKeyJoin(products, byAmount, five, { name: 'j' }))
// @ts-expect-error its internal topics need a name
rows.pipe(foreignKeyJoin(products, byProduct, five, {}))
// @ts-expect-error
rows.pipe(foreignKeyJoin(products, byProduct, five, { name: 'j', kind: 'outer' }))
