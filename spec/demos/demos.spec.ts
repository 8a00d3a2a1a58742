import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { jest } from '@jest/globals'
import { fraud, WATERMARK } from '../../demos/fraud/pipeline.js'
import { feed, prepare } from '../../demos/shared/feed.js'
import { createApp } from '../../lib/app/app.js'
import { embedded } from '../../lib/brokers/embedded.js'
import { memory } from '../../lib/stores/memory.js'
import { clickstreamCase, expected as expectedSessions } from './clickstreamCase.js'
import { comesToBe, outcome } from './demoCase.js'
import { expected as expectedFraud, fraudCase } from './fraudCase.js'
import { expected as expectedOrders, ordersCase } from './ordersCase.js'

jest.setTimeout(60_000)

describe('the plain loops find', () => {
  test('every kind of fraud, late transactions and closed windows', () => {
    const { alerts, late, volume, spend } = expectedFraud()
    const rules = [...alerts.values()].flat().map(({ rule }) => rule)
    for (const rule of ['large-amount', 'many-transactions', 'new-country', 'daily-spend'] as const)
      expect(rules.filter((other) => other === rule).length).toBeGreaterThan(5)
    expect(late.size).toBeGreaterThan(5)
    expect(volume.size).toBe(10)
    expect(spend.size).toBeGreaterThan(100)
  })

  test('bounces, long sessions, some made of two, and late views', () => {
    const { sessions, engagement, late } = expectedSessions()
    const all = [...sessions.values()].flat()
    expect(all.filter(({ isBounce }) => isBounce).length).toBeGreaterThan(100)
    // These were two until their middle view came.
    expect(all.filter(({ views, durationMs }) => views === 3 && durationMs === 32 * 60_000).length).toBeGreaterThan(5)
    expect([...engagement.keys()].sort()).toEqual(['ads', 'direct', 'newsletter', 'search', 'social'])
    expect(late.size).toBeGreaterThan(5)
  })

  test('orders that are shipped, that are not, and that are too late, and late reports', () => {
    const { shipped, overdue, tooLate, late, warehouses } = expectedOrders()
    expect(shipped.size).toBeGreaterThan(1_000)
    expect(overdue.size).toBeGreaterThan(tooLate.size)
    expect(tooLate.size).toBeGreaterThan(50)
    expect([...tooLate.values()].some(({ tookMs }) => tookMs === null)).toBe(true)
    expect(late.size).toBeGreaterThan(5)
    expect(warehouses.size).toBe(4)
  })
})

test.each([fraudCase, clickstreamCase, ordersCase])(
  'embedded: $demo.name gives what its plain loop does',
  async (it) => {
    const { demo, part } = it
    const { seed, count } = part
    const store = memory()
    const broker = embedded({ store })
    await broker.connect()
    await prepare(broker, demo, seed)
    const wanted = it.expected()

    // In two lives, so that the second goes on from the first one's checkpoint.
    for (const until of [count / 2, count]) {
      const app = createApp({ id: demo.name, broker, store })
      it.build(app)
      try {
        await app.start()
        await feed(broker, demo, { seed, count: until })
        if (until === count) await comesToBe(it, broker, wanted)
      } finally {
        await app.stop()
      }
    }
    expect(await outcome(it, broker)).toEqual(wanted)
    await broker.close()
  },
)

test('embedded: the app’s own table of spends is that of the plain loop', async () => {
  const { demo, part } = fraudCase
  const { seed, count } = part
  const store = memory()
  const broker = embedded({ store })
  await broker.connect()
  await prepare(broker, demo, seed)
  const app = createApp({ id: demo.name, broker, store })
  const { spend } = fraud(app, { watermark: WATERMARK })
  try {
    await app.start()
    await feed(broker, demo, { seed, count })
    await comesToBe(fraudCase, broker, fraudCase.expected())
    expect(new Map(spend.entries())).toEqual(expectedFraud().spend)
  } finally {
    await app.stop()
    await broker.close()
  }
})

describe('npm start', () => {
  let child: ChildProcess
  let said = ''

  function start(...options: string[]): void {
    said = ''
    child = spawn(process.execPath, ['--import', 'tsx', 'demos/main.ts', ...options])
    for (const stream of [child.stdout, child.stderr])
      stream?.on('data', (chunk) => {
        said += chunk
      })
  }
  afterEach(() => {
    child.kill('SIGKILL')
  })

  async function until(text: RegExp): Promise<void> {
    while (!text.test(said)) {
      if (child.exitCode !== null) throw new Error(`it ended with ${child.exitCode}: ${said}`)
      await Promise.race([once(child.stdout as NodeJS.ReadableStream, 'data'), once(child, 'exit')])
    }
  }

  test('raises alerts, and ends on Ctrl-C with nothing lost', async () => {
    start('--rate', '1000')
    await until(/ALERT/)
    const exited = once(child, 'exit')
    child.kill('SIGINT')
    expect(await exited).toEqual([0, null])
    const [, written, handled] = /(\d+) transactions in, (\d+) handled/.exec(said) ?? []
    expect(Number(written)).toBeGreaterThan(100)
    expect(handled).toBe(written)
  })

  // Of many results at a time the screen shows the last ones: which these are is up to the machine.
  test.each([
    ['fraud', '2000 transactions in, 2000 handled', /ALERT {2}[a-z]+-[a-z]+/],
    ['clickstream', '2000 page views in, 2000 handled', /SESSION {2}visitor-\d{3} {2}\w+/],
    ['orders', '2000 orders and shipments in, 2000 handled', /(OVERDUE {2}|LATE {5})order-\d{5}/],
  ])('%s ends by itself after --count', async (name, summary, line) => {
    start(name, '--count', '2000', '--rate', '100000')
    expect(await once(child, 'exit')).toEqual([0, null])
    expect(said).toContain(summary)
    expect(said).toMatch(line)
  })

  test('says why it can’t start', async () => {
    start('--kafka', '127.0.0.1:1')
    expect(await once(child, 'exit')).toEqual([1, null])
    expect(said).toContain('BROKER_UNAVAILABLE')
  })

  test('says which demos there are', async () => {
    start('frod')
    expect(await once(child, 'exit')).toEqual([1, null])
    expect(said).toContain('[fraud | clickstream | orders]')
  })
})
