import { expect, jest, test } from '@jest/globals'
import { aggregate, count, createApp, json, memory, type TidemarkError, toTopic } from 'tidemark'
import { kafka } from 'tidemark/kafka'
import { describeKafka } from '../kafka/testKafka.js'
import { until } from '../until.js'

jest.setTimeout(90_000)

await describeKafka('a transaction that is left open', (brokers) => {
  test('is told of, as what follows it can’t be read, and the app goes on when it ends', async () => {
    const id = `hanging-${Date.now()}`
    const [input, output] = [`${id}-in`, `${id}-out`]
    const writer = kafka({ brokers })
    await writer.connect()
    await writer.createTopics([input, output].map((topic) => ({ topic, partitions: 1 })))
    const app = createApp({ id, broker: kafka({ brokers }), store: memory(), stallTimeout: '1s' })
    const errors: TidemarkError[] = []
    app.errors$.subscribe((error) => errors.push(error))
    const stream = app.stream(input, { value: json() })
    app.run('counts', stream.pipe(aggregate(count(), { name: 'counts' }), toTopic(output)))
    await app.start()
    const record = (text: string) => ({
      topic: input,
      partition: 0,
      key: Buffer.from('a'),
      value: Buffer.from(text),
      timestamp: 0,
      headers: [],
    })
    const counts = async () => {
      const [range] = await writer.ranges(output)
      const found: string[] = []
      await writer.read({ topic: output, partition: 0 }, 0, range?.end ?? 0, ({ records }) => {
        for (const { value } of records) found.push(new TextDecoder().decode(value ?? undefined))
      })
      return found
    }
    const hanging = await (await writer.transactionalProducer(id)).begin()
    await hanging.send([record('1')])
    const plain = await writer.producer()
    await plain.send([record('2')])
    const told = await until('the open transaction to be told of', () =>
      errors.find(({ code, reason }) => code === 'STALLED' && reason.startsWith(`partition 0 of ${input} `)),
    )
    expect(told.reason).toContain('a transaction of some writer is open')
    expect(await counts()).toEqual([])
    // Nothing that a restart of this process would mend.
    expect(app.health().live).toBe(true)
    await hanging.commit()
    await until('both records to be counted', async () => (await counts()).length === 2)
    expect(await counts()).toEqual(['1', '2'])
    await app.stop()
    await writer.close()
  })
})
