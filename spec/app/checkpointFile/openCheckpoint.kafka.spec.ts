import { gunzipSync } from 'node:zlib'
import { expect, jest } from '@jest/globals'
import { aggregate, count, createApp, embedded, json, memory, toTopic, writeCheckpoint } from 'tidemark'
import { kafka } from 'tidemark/kafka'
import { bytesOf } from '../../bytesOf.js'
import { describeKafka } from '../../kafka/testKafka.js'
import { until } from '../../until.js'
import { rawTopics } from '../raw.js'
import { expectedLines, Mover, PER_PARTITION } from './mover.js'

await describeKafka('a checkpoint file on Kafka', (brokers) => {
  jest.setTimeout(120_000)

  test('goes from Kafka to an embedded broker and back, where the app had gone on meanwhile', async () => {
    const id = `mover-${Date.now()}`
    const onKafka = () => new Mover(kafka({ brokers }), memory(), id)
    const expected = expectedLines()

    const first = onKafka()
    await first.createTopics()
    await first.moveIn()
    await first.feed(500)
    await until('the first results', async () => (await first.written()) > 300, 30_000)
    await first.feed(500)
    const { file } = await first.moveOut()
    // It goes on behind the file's moment.
    const before = await first.written()
    await first.feed(500)
    await until('more results', async () => (await first.written()) > before, 30_000)
    const old = await first.lines()
    await first.feed(PER_PARTITION - 1_500 + 1)
    await first.close()

    const store = memory()
    const second = new Mover(embedded({ store }), store, id)
    await second.moveIn(file, { createTopics: true })
    await second.feed(1_000)
    await until('results without Kafka', async () => (await second.written()) > 300, 30_000)
    const back = await second.moveOut()
    await second.close()

    await expect(onKafka().moveIn(back.file)).rejects.toMatchObject({
      code: 'BAD_STATE',
      reason: expect.stringContaining('has state or offsets in kafka'),
    })
    const last = onKafka()
    await last.moveIn(back.file, { replace: true })
    const lines = [...back.lines]
    const known = new Set(old)
    await until(
      'the last results',
      async () => {
        const all = new Set([...lines, ...(await last.lines())])
        return expected.every((line) => all.has(line) || known.has(line))
      },
      60_000,
    )
    lines.push(...(await last.lines()))
    await last.close()
    for (const mover of [first, second, last]) expect(mover.errors).toEqual([])

    // What came after the file's moment came once, and is just what had not come before.
    expect(new Set(lines).size).toBe(lines.length)
    const wanted = new Set(expected)
    expect(lines.filter((line) => !wanted.has(line))).toEqual([])
    expect(lines.length).toBeLessThan(expected.length - 300)
  })

  test('has all of the state when it is written right after the app was stopped', async () => {
    const id = `stopped-${Date.now().toString(36)}`
    const { broker, send } = await rawTopics({ [`${id}-in`]: 1, [`${id}-out`]: 200 }, kafka({ brokers }))
    const make = () => {
      const app = createApp({ id, broker, store: memory(), commitInterval: '1h' })
      const input = app.stream<number>(`${id}-in`, { value: json() })
      app.run('n', input.pipe(aggregate(count(), { name: 'n' }), toTopic(`${id}-out`)))
      return app
    }
    const app = make()
    await app.start()
    for (let n = 0; n < 300; n++) await send({ topic: `${id}-in`, partition: 0 }, `k${n}`, '1')
    await until('all of them', () => app.stats().tasks[0]?.records === 300, 30_000)
    await app.stop()
    const lines = gunzipSync(await bytesOf(await writeCheckpoint(make())))
      .toString()
      .split('\n')
    expect(JSON.parse(lines[0] as string).topics[`${id}-in`].positions).toEqual([300])
    expect(JSON.parse(lines.at(-2) as string)).toEqual({ end: { tasks: 1, entries: 300, records: 0 } })
    await broker.close()
  }, 90_000)

  test('Kafka begins no topic further on', async () => {
    const broker = kafka({ brokers })
    await broker.connect()
    await expect(
      broker.createTopics([{ topic: `starts-${Date.now()}`, partitions: 1, starts: [5] }]),
    ).rejects.toMatchObject({ code: 'BAD_OPTION' })
    await broker.close()
  })
})
