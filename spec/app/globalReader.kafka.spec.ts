import { jest } from '@jest/globals'
import { kafka } from '../../lib/brokers/kafka.js'
import {
  type App,
  createApp,
  type GlobalTable,
  globalTableJoin,
  json,
  memory,
  NO_HEADERS,
  partitionOf,
  toTopic,
} from '../../lib/index.js'
import type { Broker } from '../../lib/ports/broker.js'
import { utf8 } from '../../lib/record/serde.js'
import { describeKafka } from '../kafka/testKafka.js'
import { until } from '../until.js'

await describeKafka('global tables on Kafka', (brokers) => {
  jest.setTimeout(60_000)
  const names = { table: `prices-${Date.now()}`, stream: `orders-${Date.now()}`, out: `priced-${Date.now()}` }
  const counts = { [names.table]: 3, [names.stream]: 2, [names.out]: 1 }
  let outside: Broker
  let apps: App[] = []

  beforeEach(async () => {
    outside = kafka({ brokers })
    await outside.connect()
    await outside.createTopics(Object.entries(counts).map(([topic, partitions]) => ({ topic, partitions })))
  })
  afterEach(async () => {
    for (const app of apps) await app.stop()
    apps = []
    await outside.deleteTopics(Object.keys(counts))
    await outside.close()
  })

  async function send(topic: string, records: readonly (readonly [key: string, value: unknown])[]): Promise<void> {
    const producer = await outside.producer()
    await producer.send(
      records.map(([key, value]) => ({
        topic,
        partition: partitionOf(utf8.encode(key), counts[topic] as number),
        key: utf8.encode(key),
        value: value === null ? null : utf8.encode(JSON.stringify(value)),
        timestamp: 1,
        headers: NO_HEADERS,
      })),
    )
    await producer.close()
  }

  async function start(instance: string): Promise<GlobalTable<string, number>> {
    const app = createApp({ id: names.stream, instance, broker: kafka({ brokers }), store: memory() })
    const prices = app.globalTable<number>(names.table, { value: json() })
    const orders = app.stream<string>(names.stream, { value: json() })
    const priced = orders.pipe(
      globalTableJoin(
        prices,
        ({ value }) => value,
        (product, price) => `${product} ${price}`,
        { kind: 'left' },
      ),
    )
    app.run('priced', priced.pipe(toTopic(names.out)))
    apps.push(app)
    await app.start()
    return prices
  }

  async function written(): Promise<string[]> {
    const found: string[] = []
    const [range] = await outside.ranges(names.out)
    await outside.read({ topic: names.out, partition: 0 }, 0, range?.end ?? 0, ({ records }) => {
      for (const { value } of records) found.push(JSON.parse(utf8.decode(value as Uint8Array)))
    })
    return found.sort()
  }

  test('two members have all rows of three partitions, from before and while they run', async () => {
    const products = ['apple', 'pear', 'plum', 'fig', 'lime', 'kiwi', 'quince']
    const places = new Set(products.map((product) => partitionOf(utf8.encode(product), 3)))
    expect(places.size).toBe(3)
    await send(
      names.table,
      products.map((product, price) => [product, price]),
    )
    const tables = [await start('one'), await start('two')]
    for (const table of tables)
      expect(new Map(table.entries())).toEqual(new Map(products.map((product, i) => [product, i])))

    await send(names.table, [
      ['apple', 100],
      ['pear', null],
    ])
    const isThere = (table: GlobalTable<string, number>) =>
      table.get('apple') === 100 && table.get('pear') === undefined
    await until('both have heard of the changes', () => tables.every(isThere), 30_000)
    await send(
      names.stream,
      products.map((product) => [`order of ${product}`, product]),
    )
    const expected = ['apple 100', 'fig 3', 'kiwi 5', 'lime 4', 'pear null', 'plum 2', 'quince 6']
    await until('all orders are priced', async () => (await written()).length >= 7, 30_000)
    expect(await written()).toEqual(expected)

    for (const app of apps.splice(0)) await app.stop()
    expect([...(tables[0] as GlobalTable<string, number>).entries()]).toEqual([])
    const again = await start('three')
    expect([again.get('apple'), again.get('pear'), again.get('kiwi')]).toEqual([100, undefined, 5])
  })
})
