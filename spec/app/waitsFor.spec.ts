import { expect, test } from '@jest/globals'
import { merge } from 'rxjs'
import {
  type App,
  aggregate,
  type Broker,
  type ConsumerOptions,
  count,
  embedded,
  json,
  mapAsync,
  memory,
  streamTableJoin,
  toTopic,
} from 'tidemark'
import { type TestApp, type TestClock, testApp, testClock } from 'tidemark/testing'

const send = (t: TestApp<unknown>, topic: string, times: readonly number[], partition = 0) =>
  t.send(
    topic,
    times.map((timestamp) => ({ key: null, value: 1, partition, timestamp })),
  )

const reasons = (t: TestApp<unknown>) => t.app.stats().tasks.map(({ waitsFor }) => waitsFor)

const pipe = (app: App, ...topics: string[]) =>
  app.run(
    topics.join('-'),
    merge(...topics.map((topic) => app.stream<number>(topic, { value: json() }))).pipe(toTopic('out')),
  )

test('nothing to read: it waits for nothing', async () => {
  const t = await testApp((app) => pipe(app, 'a', 'b'), { topics: { a: 1, b: 1, out: 1 } })
  expect(reasons(t)).toEqual([undefined])
  await send(t, 'a', [1, 2])
  await t.settle()
  expect(reasons(t)).toEqual([undefined])
  await t.stop()
})

test('calls of mapAsync', async () => {
  const clock = testClock()
  const t = await testApp(
    (app) =>
      app.run(
        'x',
        app.stream<number>('a', { value: json() }).pipe(
          mapAsync(() => clock.sleep(1_000).then(() => 1), { name: 'look-up', concurrency: 2 }),
          toTopic('out'),
        ),
      ),
    { topics: { a: 1, out: 1 }, clock },
  )
  await send(t, 'a', [1, 2])
  await t.settle()
  expect(reasons(t)).toEqual([undefined])
  await send(t, 'a', [3])
  await t.settle()
  expect(reasons(t)).toEqual(['look-up takes no more: 2 of its calls are under way'])
  await t.advance('1s')
  expect(reasons(t)).toEqual([undefined])
  await t.advance('1s')
  await t.stop()
})

test('a partition that may have an earlier record', async () => {
  const t = await testApp((app) => pipe(app, 'a', 'b'), { topics: { a: 1, b: 1, out: 1 }, maxTaskIdle: '5s' })
  await send(t, 'a', [1])
  await t.advance('2s')
  expect(reasons(t)).toEqual(['b[0] is caught up, and has 3000 ms to say more (maxTaskIdle)'])
  await t.advance('3s')
  expect(reasons(t)).toEqual([undefined])
  await t.stop()
})

/** A broker whose records of b don't come, as if their leader were away; it has one. */
async function withoutB(clock: TestClock): Promise<Broker> {
  const broker = embedded({ clock })
  await broker.connect()
  await broker.createTopics([{ topic: 'b', partitions: 1 }])
  const producer = await broker.producer()
  const [key, value] = [new Uint8Array([107]), new Uint8Array([49])]
  await producer.send([{ topic: 'b', partition: 0, key, value, timestamp: 5, headers: [] }])
  return Object.assign(Object.create(broker), {
    consumer: (options: ConsumerOptions) =>
      broker.consumer({
        ...options,
        listener: {
          assigned: (partitions) => options.listener.assigned(partitions),
          revoked: (partitions) => options.listener.revoked(partitions),
          batch: (batch) => batch.topic !== 'b' && options.listener.batch(batch),
          error: (error, fatal) => options.listener.error(error, fatal),
        },
      }),
  })
}

test.each([
  ['may come first', (app: App) => pipe(app, 'a', 'b'), 'one of them may come first'],
  [
    'are to be read first',
    (app: App) => {
      const b = app.table<number>('b', { value: json() })
      const a = app.stream<number>('a', { value: json() })
      app.run(
        'x',
        a.pipe(
          streamTableJoin(b, (value) => value, { kind: 'left', bootstrap: true }),
          toTopic('out'),
        ),
      )
    },
    'it is read first (bootstrap)',
  ],
])('a partition whose records are known of, have not come, and %s', async (_, pipeline, why) => {
  const clock = testClock()
  const t = await testApp(pipeline, { topics: { a: 1, b: 1, out: 1 }, broker: await withoutB(clock), clock })
  await send(t, 'a', [10])
  await t.settle()
  expect(reasons(t)).toEqual([`b[0] has 1 records that haven't been fetched yet, and ${why}`])
  expect(t.app.stats().tasks[0]?.records).toBe(0)
  await t.stop()
})

test('a slower partition of its group', async () => {
  const watermark = { maxOutOfOrderness: 0, idleTimeout: '1h', alignment: { maxDrift: 10 } } as const
  const t = await testApp(
    (app) => app.run('x', app.stream<number>('a', { value: json(), watermark }).pipe(toTopic('out'))),
    { topics: { a: 2, out: 1 } },
  )
  await send(t, 'a', [1, 100])
  await send(t, 'a', [2], 1)
  await t.settle()
  expect(reasons(t)).toEqual(['a[0] is further than maxDrift ahead of a[1] (alignment)', undefined])
  await t.stop()
})

test('a task that is being restored', async () => {
  let load = () => {}
  const gate = new Promise<void>((resolve) => {
    load = resolve
  })
  const store = memory()
  const slow = Object.assign(Object.create(store), {
    load: async (scope: string, each: Parameters<typeof store.load>[1]) => {
      if (scope.startsWith('task/')) await gate
      return store.load(scope, each)
    },
  })
  const t = await testApp(
    (app) =>
      app.run('x', app.stream<number>('a', { value: json() }).pipe(aggregate(count(), { name: 'n' }), toTopic('out'))),
    { topics: { a: 1, out: 1 }, store: slow },
  )
  expect(t.app.stats().tasks).toMatchObject([{ task: '0_0', waitsFor: 'it is being restored' }])
  load()
  await t.settle()
  expect(reasons(t)).toEqual([undefined])
  await t.stop()
})
