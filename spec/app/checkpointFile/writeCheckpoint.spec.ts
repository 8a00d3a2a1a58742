import { gunzipSync } from 'node:zlib'
import { expect, test } from '@jest/globals'
import { type App, aggregate, type Broker, count, json, keyBy, toTopic, writeCheckpoint } from 'tidemark'
import { bytesOf } from '../../bytesOf.js'
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
