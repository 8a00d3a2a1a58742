import {
  type App,
  aggregate,
  json,
  type Key,
  keyBy,
  mapAsync,
  sum,
  tableTableJoin,
  toStream,
  toTopic,
  tumblingWindow,
} from 'tidemark'
import type { SentRecord } from 'tidemark/testing'

/** The app that has written `version1.jsonl`: it must be able to go on from it for ever. */
export function fixtureApp(app: App): void {
  const orders = app.stream<number>('orders', { value: json(), watermark: { maxOutOfOrderness: 10 } })
  const sums = orders.pipe(
    keyBy(({ value }) => [`size ${value % 10}`, value > 100], { name: 'by-size', key: json<Key>() }),
    tumblingWindow(100),
    aggregate(
      sum(({ value }) => value),
      { name: 'sums', emit: 'close' },
    ),
  )
  app.run('sums', sums.pipe(toTopic('sums', { key: json() })))
  const called = orders.pipe(
    mapAsync(async ({ value }) => (value === 7 ? new Promise<number>(() => {}) : value * 2), {
      name: 'calls',
      order: 'none',
    }),
  )
  app.run('called', called.pipe(toTopic('called')))
  const joined = app.table<string>('names', { value: json() }).pipe(
    tableTableJoin(app.table<string>('cities', { value: json() }), (name, city) => `${name} of ${city}`, {
      name: 'who',
    }),
  )
  app.run('who', joined.pipe(toStream()).pipe(toTopic('who')))
}

export const FIXTURE_TOPICS = { orders: 2, names: 1, cities: 1, sums: 1, called: 1, who: 1 }

/** What it had read. */
export const FIXTURE_INPUT: readonly (SentRecord & { readonly topic: string })[] = [
  { topic: 'orders', key: 'a', value: 5, timestamp: 20, partition: 0 },
  { topic: 'orders', key: 'b', value: 7, timestamp: 40, partition: 1 },
  { topic: 'orders', key: 'a', value: 25, timestamp: 60, partition: 0 },
  { topic: 'names', key: '1', value: 'Ann', timestamp: 1 },
  { topic: 'cities', key: '2', value: 'Ulm', timestamp: 2 },
]
/** The last one, which was on its way in an exchange. */
export const FIXTURE_LAST: SentRecord & { readonly topic: string } = {
  topic: 'orders',
  key: 'c',
  value: 205,
  timestamp: 130,
  partition: 1,
}
