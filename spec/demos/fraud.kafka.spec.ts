import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { jest } from '@jest/globals'
import { feed, prepare } from '../../demos/fraud/feed.js'
import { fraud, topics } from '../../demos/fraud/pipeline.js'
import { createApp } from '../../lib/app/app.js'
import { kafka } from '../../lib/brokers/kafka.js'
import type { Broker } from '../../lib/ports/broker.js'
import { level } from '../../lib/stores/level.js'
import { describeKafka } from '../kafka/testKafka.js'
import { COUNT, comesToBe, expected, plain, readOutcome, SEED, WATERMARK } from './outcome.js'

const run = promisify(execFile)

await describeKafka('the fraud demo on Kafka', (brokers) => {
  jest.setTimeout(90_000)
  let state: string
  let outside: Broker

  beforeEach(async () => {
    state = await mkdtemp(join(tmpdir(), 'fraud-'))
    outside = kafka({ brokers })
    await outside.connect()
    await outside.deleteTopics(Object.values(topics))
  })
  afterEach(async () => {
    const internal = [...(await outside.topics()).keys()].filter((topic) =>
      /^fraud.*-(repartition|changelog)$/.test(topic),
    )
    await outside.deleteTopics([...Object.values(topics), ...internal])
    await outside.close()
    await rm(state, { recursive: true, force: true })
  })

  test('alerts, volumes, late transactions and the spend table are those of the plain loop, over a restart', async () => {
    const id = `fraud-${Date.now()}`
    await prepare(outside, SEED)
    const wanted = plain(expected())
    for (const count of [COUNT / 2, COUNT]) {
      const app = createApp({ id, broker: kafka({ brokers }), store: level(state) })
      const { spend } = fraud(app, { watermark: WATERMARK })
      try {
        await app.start()
        await feed(outside, { seed: SEED, count })
        if (count === COUNT) {
          await comesToBe(outside, wanted)
          expect(new Map(spend.entries())).toEqual(expected().spend)
        }
      } finally {
        await app.stop()
      }
    }
    expect(plain(await readOutcome(outside))).toEqual(wanted)
  })

  test('npm start -- --kafka goes on where it was', async () => {
    for (const count of ['1000', '2000']) {
      const { stdout } = await run(process.execPath, [
        ...['--import', 'tsx', 'demos/fraud/main.ts', '--kafka', brokers.join(), '--state', state],
        ...['--count', count, '--rate', '100000'],
      ])
      expect(stdout).toContain(`${count} transactions in, ${count} handled`)
    }
  })
})
