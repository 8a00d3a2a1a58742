import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, jest, test } from '@jest/globals'
import { type Broker, NO_HEADERS } from 'tidemark'
import { kafka } from 'tidemark/kafka'
import { describeKafka } from '../kafka/testKafka.js'

jest.setTimeout(180_000)

const run = promisify(execFile)
const MB = 1 << 20
const PARTITIONS = 4
const RECORDS = 160
const BUDGET = 12 * MB

await describeKafka('an app that reads much faster than it gets rid of', (brokers) => {
  let broker: Broker
  beforeAll(async () => {
    broker = kafka({ brokers })
    await broker.connect()
  })
  afterAll(() => broker.close())

  /** The numbers that the records of each partition begin with. */
  async function numbers(topic: string): Promise<number[][]> {
    const found: number[][] = []
    for (const [partition, { start, end }] of (await broker.ranges(topic)).entries()) {
      const list: number[] = []
      await broker.read({ topic, partition }, start, end, ({ records }) => {
        for (const { value } of records) list.push(Number.parseInt(String(value), 10))
      })
      found.push(list)
    }
    return found
  }

  test.each(['sink', 'call'])(
    'with a slow %s, memory stays within the budget, and nothing is lost or disordered',
    async (slow) => {
      const id = `budget-${slow}-${Date.now()}`
      const topics = [`${id}-in`, `${id}-out`]
      await broker.createTopics(topics.map((topic) => ({ topic, partitions: PARTITIONS })))
      const producer = await broker.producer()
      for (let n = 0; n < RECORDS; n += PARTITIONS) {
        await producer.send(
          Array.from({ length: PARTITIONS }, (_, partition) => {
            const value = Buffer.from(`${n + partition} `.padEnd(MB - 1_000, 'x'))
            return { topic: topics[0] as string, partition, key: null, value, timestamp: n, headers: NO_HEADERS }
          }),
        )
      }
      await producer.close()
      const file = fileURLToPath(new URL('./memoryProcess.ts', import.meta.url))
      const { stdout } = await run(process.execPath, [
        ...['--expose-gc', '--import', 'tsx', file],
        ...[brokers.join(), id, slow, String(BUDGET), String(RECORDS)],
      ])
      const { full, live, rss } = JSON.parse(stdout)
      expect(full.lag).toBeGreaterThan(RECORDS / 2)
      // The mark, and the batches that went over it.
      expect(full.buffered).toBeLessThan(BUDGET + PARTITIONS * 2 * MB)
      // Once for what is read ahead, once for what is to be written, which kafkajs copies; and a fetch or two.
      expect(live).toBeLessThan(2 * BUDGET + 64 * MB)
      expect(rss).toBeLessThan(2 * BUDGET + 200 * MB)
      expect(await numbers(topics[1] as string)).toEqual(await numbers(topics[0] as string))
      await broker.deleteTopics(topics)
    },
  )
})
