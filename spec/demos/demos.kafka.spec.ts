import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { jest } from '@jest/globals'
import { topicsOf } from '../../demos/shared/demo.js'
import { feed, prepare } from '../../demos/shared/feed.js'
import { createApp } from '../../lib/app/app.js'
import { kafka } from '../../lib/brokers/kafka.js'
import type { Broker } from '../../lib/ports/broker.js'
import { level } from '../../lib/stores/level.js'
import { describeKafka } from '../kafka/testKafka.js'
import { clickstreamCase } from './clickstreamCase.js'
import { comesToBe, outcome } from './demoCase.js'
import { fraudCase } from './fraudCase.js'
import { ordersCase } from './ordersCase.js'

const run = promisify(execFile)
const cases = [fraudCase, clickstreamCase, ordersCase]

await describeKafka('the demos on Kafka', (brokers) => {
  jest.setTimeout(90_000)
  let state: string
  let outside: Broker

  const ours = cases.flatMap(({ demo }) => topicsOf(demo))
  async function deleteTopics(): Promise<void> {
    const isOurs = (topic: string) =>
      ours.includes(topic) || /^(fraud|clickstream|orders).*-(repartition|changelog)$/.test(topic)
    await outside.deleteTopics([...(await outside.topics()).keys()].filter(isOurs))
  }

  beforeEach(async () => {
    state = await mkdtemp(join(tmpdir(), 'demo-'))
    outside = kafka({ brokers })
    await outside.connect()
    await deleteTopics()
  })
  afterEach(async () => {
    await deleteTopics()
    await outside.close()
    await rm(state, { recursive: true, force: true })
  })

  test.each(cases)('$demo.name gives what its plain loop does, over a restart', async (it) => {
    const { demo, part } = it
    const { seed, count } = part
    const id = `${demo.name}-${Date.now()}`
    await prepare(outside, demo, seed)
    const wanted = it.expected()
    for (const until of [count / 2, count]) {
      const app = createApp({ id, broker: kafka({ brokers }), store: level(state) })
      it.build(app)
      try {
        await app.start()
        await feed(outside, demo, { seed, count: until })
        if (until === count) await comesToBe(it, outside, wanted)
      } finally {
        await app.stop()
      }
    }
    expect(await outcome(it, outside)).toEqual(wanted)
  })

  test.each(cases)('npm start -- $demo.name --kafka goes on where it was', async ({ demo: { name, noun } }) => {
    for (const count of ['1000', '2000']) {
      const { stdout } = await run(process.execPath, [
        ...['--import', 'tsx', 'demos/main.ts', name, '--kafka', brokers.join(), '--state', state],
        ...['--count', count, '--rate', '100000'],
      ])
      expect(stdout).toContain(`${count} ${noun} in, ${count} handled`)
    }
  })
})
