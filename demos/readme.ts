import { filter, from } from 'rxjs'
import { aggregate, count, record, sum, tumblingWindow, withWatermark } from 'tidemark'

const orders = from([
  record('ann', { amount: 20 }, 1_000), // key, value, event time in ms
  record('bob', { amount: 5 }, 4_000),
  record('bob', { amount: 0 }, 6_000),
  record('ann', { amount: 30 }, 63_000),
  record('bob', { amount: 7 }, 58_000), // out of order, and still counted in its minute
  record('bob', { amount: 2 }, 70_000),
  record('ann', { amount: 9 }, 2_000), // too late, its minute is over: dropped and counted
  record('bob', { amount: 1 }, 130_000),
])

const perMinute = orders.pipe(
  filter((order) => order.value.amount > 0), // plain RxJS operators work on records
  withWatermark({ maxOutOfOrderness: '10s' }),
  tumblingWindow('1m'),
  aggregate({ orders: count(), total: sum((order) => order.value.amount) }, { emit: 'close' }),
)

perMinute.subscribe(({ key, window, value }) => console.log(key, window, value))
