import { gunzipSync } from 'node:zlib'
import { expect, test } from '@jest/globals'
import {
  type App,
  aggregate,
  type Broker,
  count,
  createApp,
  embedded,
  json,
  keyBy,
  memory,
  toTopic,
  writeCheckpoint,
} from 'tidemark'
import { bytesOf } from '../../bytesOf.js'
import { seenLater } from '../../seenLater.js'
import { until } from '../../until.js'
import { rawTopics } from '../raw.js'
import { Resident } from './homes.js'

const counts = (app: App) =>
  app.run(
    'n',
    app.stream<number>('in', { value: json() }).pipe(
      keyBy(({ value }) => `${value}`, { name: 'by' }),
      aggregate(count(), { name: 'n' }),
      toTopic('out'),
    ),
  )
const INPUT = [1, 2, 1, 2].map((value, n) => ({ topic: 'in', key: 'k', value, timestamp: n, partition: n % 2 }))

/** One that has counted. */
async function counted(kind: ConstructorParameters<typeof Resident>[0]): Promise<Resident> {
  const home = new Resident(kind, counts, { in: 2, out: 1 })
  await home.createTopics()
  await home.start()
  await home.feed(INPUT)
  return home
}

test.each(['topics and state in one store', 'the store alone'] as const)(
  'a state says itself how far it is, where its group has not heard of it yet: %s',
  async (kind) => {
    const home = await counted(kind)
    await home.app.stop()
    const file = await home.write(home.unstarted())
    const { broker } = home.home
    const committed: Broker['committed'] = async (group, topics) =>
      (await broker.committed(group, topics)).map((at) => (at.topic === 'in' ? at : { ...at, offset: at.offset - 1 }))
    const behind: Broker = Object.create(broker, { committed: { value: committed } })
    expect(gunzipSync(await home.write(home.unstarted({ broker: behind }))).toString()).toBe(
      gunzipSync(file).toString(),
    )
    expect(
      JSON.parse(gunzipSync(file).toString().split('\n')[0] as string).topics['test-by-repartition'],
    ).toMatchObject({
      exchange: true,
      positions: [expect.any(Number), expect.any(Number)],
    })
  },
)

test('of an app that has just been stopped it has the last checkpoint, though the broker shows it a moment later', async () => {
  const { broker } = seenLater(embedded())
  const topics = await rawTopics({ in: 1, out: 1 }, broker)
  const make = () => {
    const app = createApp({ id: 'stopped', broker, store: memory(), changelog: true, commitInterval: '1h' })
    counts(app)
    return app
  }
  const app = make()
  await app.start()
  for (const value of ['1', '2', '1']) await topics.send({ topic: 'in', partition: 0 }, 'k', value)
  await until('all of them', () => app.stats().tasks.some(({ task, records }) => task === '0_0' && records === 3))
  await app.stop()
  const lines = gunzipSync(await bytesOf(await writeCheckpoint(make())))
    .toString()
    .split('\n')
  expect(JSON.parse(lines[0] as string).topics.in).toEqual({ partitions: 1, positions: [3] })
  const end = JSON.parse(lines.at(-2) as string).end
  // Counted already, or still on the way to be.
  expect(end.entries + end.records).toBeGreaterThanOrEqual(2)
})

test('it stands for one moment: a file that is read late says nothing of what came later', async () => {
  const home = await counted('topics and state in one store')
  const early = await home.write()
  const stream = await home.done(writeCheckpoint(home.app.app))
  await home.feed(INPUT)
  const late = await bytesOf(stream)
  expect(gunzipSync(late)).toEqual(gunzipSync(early))
  expect(gunzipSync(await home.write())).not.toEqual(gunzipSync(early))
  await home.app.stop()
})

test('the app goes on, whether or not anybody reads the file', async () => {
  const home = await counted('topics and state in one store')
  const stream = await home.done(writeCheckpoint(home.app.app))
  await home.feed(INPUT)
  expect((await home.records()).filter(({ topic }) => topic === 'out')).toHaveLength(2 * INPUT.length)
  await stream.cancel()
  await home.app.stop()
  expect(home.errors).toEqual([])
})
