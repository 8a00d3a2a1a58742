import { expect, jest } from '@jest/globals'
import { embedded, memory } from 'tidemark'
import { kafka } from 'tidemark/kafka'
import { describeKafka } from '../../kafka/testKafka.js'
import { until } from '../../until.js'
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

  test('Kafka begins no topic further on', async () => {
    const broker = kafka({ brokers })
    await broker.connect()
    await expect(
      broker.createTopics([{ topic: `starts-${Date.now()}`, partitions: 1, starts: [5] }]),
    ).rejects.toMatchObject({ code: 'BAD_OPTION' })
    await broker.close()
  })
})
