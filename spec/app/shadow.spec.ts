import { afterEach, expect, test } from '@jest/globals'
import { filter } from 'rxjs'
import {
  type App,
  aggregate,
  type Broker,
  count,
  createApp,
  embedded,
  json,
  keyBy,
  mapAsync,
  mapValues,
  memory,
  type StoreAdapter,
  type StreamRecord,
  shadow,
  sum,
  TidemarkError,
  toTopic,
  tumblingWindow,
} from 'tidemark'
import { but } from '../but.js'
import { seenLater } from '../seenLater.js'
import { until } from '../until.js'
import { rawTopics } from './raw.js'

interface Order {
  readonly user: string
  readonly amount: number
  readonly time: number
}

type Orders = StreamRecord<string, Order>

const PARTITIONS = 2

/** What differs between two versions. */
interface Version {
  readonly amountOf?: (order: Order) => number
  readonly keeps?: (order: Order) => boolean
  readonly isRounded?: boolean
}

const build =
  ({ amountOf = (order) => order.amount, keeps = () => true, isRounded = false }: Version = {}) =>
  (app: App) => {
    const orders = app.stream<Order>('orders', {
      value: json(),
      timestamp: (order) => order.value.time,
      watermark: { maxOutOfOrderness: 0 },
    })
    const kept = orders.pipe(filter((order: Orders) => keeps(order.value)))
    app.run(
      'totals',
      kept.pipe(
        mapAsync(async (order) => order.value, { name: 'calls' }),
        keyBy((order) => order.value.user),
        tumblingWindow('10s'),
        aggregate(
          sum((order) => amountOf(order.value)),
          { name: 'totals', emit: 'close' },
        ),
        toTopic('totals'),
      ),
    )
    app.run(
      'orders',
      kept.pipe(
        aggregate(count(), { name: 'orders' }),
        mapValues((n: number) => (isRounded ? Math.floor(n / 2) * 2 : n)),
        toTopic('counts'),
      ),
    )
  }

const running: App[] = []
afterEach(async () => {
  for (const app of running.splice(0)) await app.stop()
})

async function given(broker: Broker = embedded()) {
  const topics = await rawTopics({ orders: PARTITIONS, totals: 1, counts: 2, other: 1 }, broker)
  const app = createApp({ id: 'shop', broker, store: memory(), commitInterval: 5, watermarkInterval: 5 })
  build()(app)
  running.push(app)
  let sent = 0
  /** Orders by turns of three users in both partitions, a second apart. */
  const feed = async (orders: number) => {
    for (let n = 0; n < orders; n++, sent++) {
      // In order: what comes behind the two from 80 s on is later.
      const order: Order = { user: `u${sent % 3}`, amount: sent, time: (sent < 65 ? sent : sent + 20) * 1_000 }
      await topics.send(
        { topic: 'orders', partition: sent % PARTITIONS },
        `k${sent % PARTITIONS}`,
        JSON.stringify(order),
      )
    }
  }
  /** Every order gives a count at once. */
  const handled = () => until('all of it', async () => (await topics.read('counts')).length === sent)
  await feed(25)
  await app.start()
  await handled()
  await until('the windows that have closed', async () => (await topics.read('totals')).length === 6)
  await app.savepoint('before')
  await feed(40)
  // Only u0's partition of the exchange hears of this time by a record, the other one by what tasks tell of theirs.
  for (let partition = 0; partition < PARTITIONS; partition++, sent++) {
    const order: Order = { user: 'u0', amount: 1, time: 80_000 }
    await topics.send({ topic: 'orders', partition }, `k${partition}`, JSON.stringify(order))
  }
  await handled()
  return { ...topics, app, broker, feed, handled }
}

/** What the live app has written of windows after the savepoint: 25 orders were handled before, so windows from [20 s, 30 s) on. */
function windows(amountOf: (order: Order) => number, keeps: (order: Order) => boolean = () => true) {
  const found = new Map<string, number>()
  for (let n = 0; n < 65; n++) {
    const order: Order = { user: `u${n % 3}`, amount: n, time: n * 1_000 }
    const start = Math.floor(order.time / 10_000) * 10_000
    if (start < 20_000) continue
    // Orders before the savepoint were handled by the first version.
    const isFirst = n < 25
    if (!isFirst && !keeps(order)) continue
    const name = `${order.user} ${start}`
    found.set(name, (found.get(name) ?? 0) + (isFirst ? order.amount : amountOf(order)))
  }
  return found
}

test('the same pipeline gives the same results, to the record, and leaves the live app, its topics and its store alone', async () => {
  const { app, broker, feed, handled } = await given()
  const before = await app.savepoints()
  const report = await shadow(app, { from: 'before', build: build() })
  expect(report).toMatchObject({ changed: 0, missing: 0, extra: 0, errors: [] })
  expect(report.topics).toMatchObject([
    { topic: 'counts', same: 42 },
    { topic: 'totals', same: windows((order) => order.amount).size },
  ])
  expect(`${report}`).toContain('  counts: same 42, changed 0, missing 0, extra 0')
  expect(report.plan.states.map(({ state, change }) => [state, change])).toEqual([
    ['calls', 'kept'],
    ['orders', 'kept'],
    ['totals', 'kept'],
  ])
  // The live app goes on as if nothing had been.
  expect(await app.savepoints()).toEqual(before)
  expect([...(await broker.topics()).keys()].sort()).toEqual([
    'counts',
    'orders',
    'other',
    'shop-totals-repartition',
    'totals',
  ])
  await feed(5)
  await handled()
})

test('a changed pipeline shows exactly the records that it changes', async () => {
  const { app } = await given()
  const amountOf = (order: Order) => (order.time === 33_000 ? order.amount + 1_000 : order.amount)
  const report = await shadow(app, { from: 'before', build: build({ amountOf }) })
  // Order 33 is u0's, in the window from 30 s on.
  const live = windows((order) => order.amount)
  const next = windows(amountOf)
  expect([...live].filter(([name, total]) => next.get(name) !== total)).toEqual([['u0 30000', 138]])
  expect(report).toMatchObject({ changed: 1, missing: 0, extra: 0 })
  expect(report.topics[1]?.examples).toEqual([
    {
      change: 'changed',
      topic: 'totals',
      partition: 0,
      key: 'u0',
      timestamp: 39_000,
      window: { start: 30_000, end: 40_000 },
      live: '138',
      shadow: '1138',
    },
  ])
  expect(`${report}`).toContain('    changed  u0 at 39000 in [30000, 40000): 138 -> 1138')
})

test('records that no longer come out are missing, and new ones extra', async () => {
  const { app } = await given()
  const keeps = (order: Order) => order.time !== 31_000
  const v2 = (next: App) => {
    build({ keeps })(next)
    const orders = next.stream<Order>('orders', { value: json() })
    next.run(
      'other',
      orders.pipe(
        filter((order) => order.value.time >= 60_000),
        toTopic('other'),
      ),
    )
  }
  const report = await shadow(app, { from: 'before', build: v2, maxExamples: 1_000 })
  const [counts, other, totals] = report.topics
  // One order less: the count of its key is one lower from then on, and comes out once less.
  const after = (partition: number) =>
    Array.from({ length: 67 }, (_, n) => n).filter((n) => n > 31 && n % 2 === partition)
  expect(counts).toMatchObject({ same: 42 - 1 - after(1).length, changed: after(1).length, missing: 1, extra: 0 })
  expect(counts?.examples.filter(({ change }) => change === 'missing')).toMatchObject([
    { timestamp: 31_000, key: 'k1' },
  ])
  expect(other).toMatchObject({ topic: 'other', same: 0, changed: 0, missing: 0, extra: 7 })
  const [before, then] = [windows((order) => order.amount), windows((order) => order.amount, keeps)]
  const changed = [...before].filter(([name, total]) => then.get(name) !== total).map(([name]) => name)
  expect(changed).toEqual(['u1 30000'])
  expect(totals).toMatchObject({ same: before.size - 1, changed: 1, missing: 0, extra: 0 })
})

test('what was under way at the savepoint comes out in both: calls, and records on their way through an exchange', async () => {
  const { app, feed, handled, read } = await given()
  for (let n = 0; n < 10; n++) {
    await feed(n * 3)
    await app.savepoint(`s${n}`)
  }
  await feed(30)
  await handled()
  for (const from of ['s1', 's4', 's7', 's9']) {
    const report = await shadow(app, { from, build: build() })
    expect([from, report.changed, report.missing, report.extra]).toEqual([from, 0, 0, 0])
    expect(report.same).toBeGreaterThanOrEqual(30)
  }
  // Of seven windows up to 70 s, and seventeen from 80 s to 250 s.
  expect((await read('totals')).length).toBe(3 * 24)
})

/** A store that takes its time to say that it has done so. */
const slow = (store: StoreAdapter): StoreAdapter => ({
  ...store,
  async commit(changes) {
    const done = store.commit(changes)
    await new Promise((resolve) => setTimeout(resolve, 5))
    await done
  },
})

test.each([true, false])(
  'it compares while records go on coming, with calls and exchanges under way (transactions: %s)',
  async (transactional) => {
    const real = embedded()
    const broker = new Proxy(real, {
      get(target, name) {
        if (name === 'transactional') return transactional
        const member = Reflect.get(target, name)
        return typeof member === 'function' ? member.bind(target) : member
      },
    })
    const topics = await rawTopics({ in: 2, sums: 2, echoes: 2 }, broker)
    const v1 = (app: App) => {
      const calls = app.stream<number>('in', { value: json() }).pipe(
        // As a service far away would do.
        mapAsync((one) => new Promise<number>((resolve) => setTimeout(() => resolve(one.value), one.value % 25)), {
          name: 'calls',
          concurrency: 32,
        }),
      )
      app.run('echoes', calls.pipe(toTopic('echoes')))
      app.run(
        'sums',
        calls.pipe(
          keyBy((one) => `${one.value % 3}-${one.partition}`),
          aggregate(
            sum((one) => one.value),
            { name: 'sums' },
          ),
          toTopic('sums'),
        ),
      )
    }
    const app = createApp({ id: 'busy', broker, store: slow(memory()), commitInterval: 7, watermarkInterval: 5 })
    v1(app)
    running.push(app)
    await app.start()
    let isFeeding = true
    let sent = 0
    const feeding = (async () => {
      for (; isFeeding; sent++) {
        await topics.send({ topic: 'in', partition: sent % 2 }, `k${sent % 2}`, `${sent}`, sent)
        if (sent % 5 === 0) await new Promise((resolve) => setTimeout(resolve, 1))
      }
    })()
    try {
      for (let n = 0; n < 3; n++) {
        const before = sent
        await until('some records', () => sent > before + 40)
        await app.savepoint(`s${n}`)
        const { length } = await topics.read('echoes')
        await until('results since then', async () => (await topics.read('echoes')).length > length + 40, 30_000)
        const report = await shadow(app, { from: `s${n}`, build: v1 })
        expect([n, report.changed, report.missing, report.extra, report.errors]).toEqual([n, 0, 0, 0, []])
        expect(report.same).toBeGreaterThan(40)
      }
    } finally {
      isFeeding = false
      await feeding
    }
  },
)

test('the live app says what it waits for while what is under way comes out, and goes on if that takes too long', async () => {
  const broker = embedded()
  const topics = await rawTopics({ in: 1, out: 1 }, broker)
  const gates: (() => void)[] = []
  const v1 = (app: App) =>
    app.run(
      'calls',
      app.stream<number>('in', { value: json() }).pipe(
        mapAsync((one) => new Promise<number>((resolve) => gates.push(() => resolve(one.value))), { name: 'calls' }),
        toTopic('out'),
      ),
    )
  const app = createApp({ id: 'slow', broker, store: memory(), commitInterval: 5 })
  v1(app)
  running.push(app)
  await app.start()
  await app.savepoint('s')
  await topics.send({ topic: 'in', partition: 0 }, 'k', '1')
  await until('a call', () => gates.length === 1)
  const comparing = shadow(app, { from: 's', build: v1, timeout: 200 })
  const refused = expect(comparing).rejects.toMatchObject({
    code: 'BAD_STATE',
    reason: expect.stringContaining('has not come to rest within 200 ms'),
  })
  await topics.send({ topic: 'in', partition: 0 }, 'k', '2')
  await until(
    'the reason',
    () => app.stats().tasks[0]?.waitsFor === 'in[0] is held until what is under way has come out (shadow)',
  )
  expect(gates.length).toBe(1)
  await refused
  await until('the other call', () => gates.length === 2)
  for (const open of gates) open()
  await until('both', async () => (await topics.read('out')).length === 2)
})

test('what the live app has committed and the broker shows a moment later has come out before it is compared', async () => {
  const { broker, see } = seenLater(embedded())
  const topics = await rawTopics({ in: 1, out: 1 }, broker)
  const copies = (app: App) =>
    app.run(
      'copies',
      app.stream<number>('in', { value: json() }).pipe(
        keyBy((one) => `${one.value}`),
        toTopic('out'),
      ),
    )
  const app = createApp({ id: 'later', broker, store: memory(), commitInterval: 5 })
  copies(app)
  running.push(app)
  await app.start()
  await topics.send({ topic: 'in', partition: 0 }, 'k', '1')
  await until('the first', async () => {
    await see()
    return (await topics.read('out')).length === 1
  })
  await app.savepoint('s')
  await topics.send({ topic: 'in', partition: 0 }, 'k', '2')
  await until('the second', () => app.stats().tasks.some(({ task, records }) => task === '0_0' && records === 2))
  expect(await shadow(app, { from: 's', build: copies })).toMatchObject({ same: 1, changed: 0, missing: 0, extra: 0 })
})

const plain = (app: App) => {
  const numbers = app.stream<number>('in', { value: json() })
  app.run('n', numbers.pipe(aggregate(count(), { name: 'n' }), toTopic('out')))
}

test('a broker that cannot be read for a moment ends the comparison: nothing is compared twice', async () => {
  const inner = embedded()
  let isAway = false
  const broker = but(inner, {
    async read(at, from, to, each) {
      // Once, in the midst.
      if (isAway && at.topic === 'in' && from > 0) {
        isAway = false
        throw new TidemarkError('BROKER_UNAVAILABLE', 'away for a moment')
      }
      await inner.read(at, from, to, each)
    },
  })
  const topics = await rawTopics({ in: 1, out: 1 }, broker)
  const app = createApp({ id: 'away', broker, store: memory(), commitInterval: 5 })
  plain(app)
  running.push(app)
  await app.start()
  await topics.send({ topic: 'in', partition: 0 }, 'a', '0')
  await until('the first', async () => (await topics.read('out')).length === 1)
  await app.savepoint('s')
  for (let n = 1; n <= 1_500; n++) await topics.send({ topic: 'in', partition: 0 }, 'a', `${n}`)
  await until('all of it', async () => (await topics.read('out')).length === 1_501)
  isAway = true
  await expect(shadow(app, { from: 's', build: plain })).rejects.toMatchObject({ code: 'BROKER_UNAVAILABLE' })
  expect(await shadow(app, { from: 's', build: plain })).toMatchObject({
    same: 1_500,
    missing: 0,
    extra: 0,
    errors: [],
  })
})

test('from a savepoint that was taken before the first record, all results are compared', async () => {
  const topics = await rawTopics({ in: 1, out: 1 })
  const app = createApp({ id: 'first', broker: topics.broker, store: memory(), commitInterval: 5 })
  plain(app)
  running.push(app)
  await app.start()
  expect(await app.savepoint('nothing')).toMatchObject({ tasks: 0 })
  await topics.send({ topic: 'in', partition: 0 }, 'a', '1')
  await until('the result', async () => (await topics.read('out')).length === 1)
  expect(await shadow(app, { from: 'nothing', build: plain })).toMatchObject({ same: 1, missing: 0, extra: 0 })
})

test('what a new version refuses or fails with is its error, and the live app goes on', async () => {
  const { app, feed, handled } = await given()
  const other = (next: App) =>
    next.run('n', next.stream('orders', { value: json() }).pipe(aggregate(count(), { name: 'other' })))
  await expect(shadow(app, { from: 'before', build: other })).rejects.toMatchObject({ code: 'PLAN_MISMATCH' })
  const failing = build({
    amountOf: () => {
      throw new Error('no amount')
    },
  })
  await expect(shadow(app, { from: 'before', build: failing })).rejects.toMatchObject({
    code: 'OPERATOR_FAILED',
    place: { operator: 'totals' },
  })
  await expect(shadow(app, { from: 'nothing', build: build() })).rejects.toMatchObject({
    code: 'BAD_OPTION',
    reason: 'there is no savepoint nothing in memory',
  })
  await feed(5)
  await handled()
  await app.stop()
  await expect(shadow(app, { from: 'before', build: build() })).rejects.toMatchObject({ code: 'BAD_STATE' })
})

test('with migrate and a new state the savepoint is read as it would be at the real start', async () => {
  const { app } = await given()
  const v2 = (next: App) => {
    const orders = next.stream<Order>('orders', {
      value: json(),
      timestamp: (order) => order.value.time,
      watermark: { maxOutOfOrderness: 0 },
    })
    next.run(
      'orders',
      orders.pipe(
        aggregate(
          { n: count(), total: sum((order: Orders) => order.value.amount) },
          { name: 'orders', version: 2, migrate: (n: number) => [n, null] },
        ),
        mapValues(({ n }) => n),
        toTopic('counts'),
      ),
    )
    next.run('fresh', orders.pipe(aggregate(count(), { name: 'fresh' }), toTopic('other')))
  }
  const report = await shadow(app, { from: 'before', build: v2, upgrade: { startEmpty: ['fresh'] } })
  expect(report.topics).toMatchObject([
    { topic: 'counts', same: 42, changed: 0, missing: 0, extra: 0 },
    { topic: 'other', extra: 42 },
    { topic: 'totals', same: 0, missing: windows((order) => order.amount).size },
  ])
})
