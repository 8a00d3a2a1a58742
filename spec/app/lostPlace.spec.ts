import { afterEach, expect, test } from '@jest/globals'
import { type App, aggregate, createApp, embedded, globalTableJoin, json, memory, sum, toTopic } from 'tidemark'
import { connectTo, openBridge } from '../brokers/bridged.js'
import { until } from '../until.js'
import { rawTopics } from './raw.js'

const ends: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end()
})

/** An app that reads a topic of a bridge, behind which the topic can be made anew. */
async function given(topics: { [topic: string]: number }, build: (app: App) => void) {
  const behind = embedded()
  const { send } = await rawTopics(topics, behind)
  const { server, url } = await openBridge({ broker: behind, topics: Object.keys(topics) })
  ends.push(() => server.close())
  const local = await rawTopics({ out: 1 })
  const app = createApp({
    id: 'lost',
    broker: connectTo(url, 'websocket', { local: local.broker }),
    store: memory(),
    commitInterval: 5,
  })
  const errors: string[] = []
  app.errors$.subscribe(({ code }) => errors.push(code))
  build(app)
  await app.start()
  ends.push(() => app.stop())
  const anew = async (topic: string) => {
    await behind.deleteTopics([topic])
    await behind.createTopics([{ topic, partitions: topics[topic] as number }])
  }
  return { app, errors, send, anew, read: local.read }
}

test('an app whose topic is made anew fails: it goes on neither with a gap nor without the new records', async () => {
  const { app, errors, send, anew, read } = await given({ in: 1 }, (of) => {
    const sums = aggregate(
      sum((one: { value: number }) => one.value),
      { name: 'n' },
    )
    of.run('n', of.stream<number>('in', { value: json() }).pipe(sums, toTopic('out')))
  })
  for (let n = 0; n < 5; n++) await send({ topic: 'in', partition: 0 }, 'a', '1')
  await until('all of them', async () => (await read('out')).length === 5)
  await anew('in')
  for (let n = 0; n < 3; n++) await send({ topic: 'in', partition: 0 }, 'a', '10')
  await until('the end', () => app.stats().state === 'failed')
  expect(errors.at(-1)).toBe('OFFSET_OUT_OF_RANGE')
  expect(app.health().reasons[0]).toContain('was asked for, but the log holds 0 to')
  expect((await read('out')).map(({ value }) => value)).toEqual(['1', '2', '3', '4', '5'])
})

test('an app whose global table is made anew fails', async () => {
  const { app, errors, send, anew } = await given({ in: 1, names: 1 }, (of) => {
    const names = of.globalTable<string>('names', { value: json() })
    const named = globalTableJoin(
      names,
      ({ value }: { value: string }) => value,
      (_, name) => name,
    )
    of.run('n', of.stream<string>('in', { value: json() }).pipe(named, toTopic('out')))
  })
  const rows = () => app.stats().globalTables[0]?.rows
  for (const key of ['a', 'b', 'c']) await send({ topic: 'names', partition: 0 }, key, '"old"')
  await until('the rows', () => rows() === 3)
  await anew('names')
  await send({ topic: 'names', partition: 0 }, 'd', '"new"')
  await until('the end', () => app.stats().state === 'failed')
  expect(errors.at(-1)).toBe('OFFSET_OUT_OF_RANGE')
})
