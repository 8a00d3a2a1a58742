import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { jest } from '@jest/globals'
import { feed, prepare } from '../../demos/fraud/feed.js'
import { fraud } from '../../demos/fraud/pipeline.js'
import { createApp } from '../../lib/app/app.js'
import { embedded } from '../../lib/brokers/embedded.js'
import { memory } from '../../lib/stores/memory.js'
import { COUNT, comesToBe, expected, plain, readOutcome, SEED, WATERMARK } from './outcome.js'

jest.setTimeout(60_000)

test('the plain loop finds every kind of fraud, late transactions and closed windows', () => {
  const { alerts, late, volume, spend } = expected()
  const rules = [...alerts.values()].flat().map(({ rule }) => rule)
  for (const rule of ['large-amount', 'many-transactions', 'new-country', 'daily-spend'] as const)
    expect(rules.filter((other) => other === rule).length).toBeGreaterThan(5)
  expect(late.size).toBeGreaterThan(5)
  expect(volume.size).toBe(10)
  expect(spend.size).toBeGreaterThan(100)
})

test('embedded: alerts, volumes, late transactions and the spend table are those of the plain loop', async () => {
  const store = memory()
  const broker = embedded({ store })
  await broker.connect()
  await prepare(broker, SEED)
  const wanted = plain(expected())

  // In two lives, so that the second goes on from the first one's checkpoint.
  for (const count of [COUNT / 2, COUNT]) {
    const app = createApp({ id: 'fraud', broker, store })
    const { spend } = fraud(app, { watermark: WATERMARK })
    try {
      await app.start()
      await feed(broker, { seed: SEED, count })
      if (count === COUNT) {
        await comesToBe(broker, wanted)
        expect(new Map(spend.entries())).toEqual(expected().spend)
      }
    } finally {
      await app.stop()
    }
  }
  expect(plain(await readOutcome(broker))).toEqual(wanted)
  await broker.close()
})

describe('npm start', () => {
  let child: ChildProcess
  let said = ''

  function start(...options: string[]): void {
    said = ''
    child = spawn(process.execPath, ['--import', 'tsx', 'demos/fraud/main.ts', ...options])
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

  test('ends by itself after --count', async () => {
    start('--count', '2000', '--rate', '100000')
    expect(await once(child, 'exit')).toEqual([0, null])
    expect(said).toContain('2000 transactions in, 2000 handled')
  })

  test('says why it can’t start', async () => {
    start('--kafka', '127.0.0.1:1')
    expect(await once(child, 'exit')).toEqual([1, null])
    expect(said).toContain('BROKER_UNAVAILABLE')
  })
})
