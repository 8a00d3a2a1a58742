import { expect, test } from '@jest/globals'
import { map } from 'rxjs'
import {
  aggregate,
  createApp,
  deadLetter,
  json,
  last,
  mapAsync,
  memory,
  record,
  type StreamRecord,
  type TidemarkError,
  toTopic,
} from 'tidemark'
import { kafka } from 'tidemark/kafka'
import { describeKafka } from '../kafka/testKafka.js'
import { until } from '../until.js'
import { rawTopics } from './raw.js'

await describeKafka('bad records, on Kafka', (brokers) => {
  let made = 0
  const names = () => {
    const id = `bad-${Date.now().toString(36)}-${made++}`
    return { id, input: `${id}-in`, out: `${id}-out`, dead: `${id}-dead` }
  }

  const odd = (n: number) => {
    if (n % 10 === 0) throw new RangeError(`${n}`)
    return n
  }

  test('a task that has gone back reads on from its checkpoint: every record is in the output or a dead letter', async () => {
    const { id, input, out, dead } = names()
    const topics = await rawTopics({ [input]: 2, [out]: 2 }, kafka({ brokers }))
    const app = createApp({
      id,
      broker: kafka({ brokers }),
      store: memory(),
      commitInterval: '50ms',
      maxBufferedBytes: 1_000,
      onError: deadLetter(dead),
    })
    const errors: TidemarkError[] = []
    app.errors$.subscribe((error) => errors.push(error))
    app.run(
      'odd',
      app.stream<number>(input, { value: json() }).pipe(
        aggregate(
          last((n) => odd(n.value)),
          { name: 'last' },
        ),
        // Plain code goes wrong for one of them.
        map((n) => {
          if (n.value === 55) throw new RangeError('55')
          return n
        }),
        toTopic(out),
      ),
    )
    await app.start()
    const values = Array.from({ length: 100 }, (_, n) => n + 1)
    for (const value of values)
      await topics.send({ topic: input, partition: value % 2 }, `k${value}`, `${value}`, value)
    const set = values.filter((value) => value % 10 === 0 || value === 55)
    await until('the letters', async () => (await topics.read(dead)).length >= set.length, 60_000)
    const rest = values.filter((value) => !set.includes(value))
    const written = async () => (await topics.read(out)).map(({ value }) => Number(value))
    await until('all others', async () => (await written()).length >= rest.length, 60_000)
    await app.stop()
    expect((await written()).sort((a, b) => a - b)).toEqual(rest)
    expect((await topics.read(dead)).map(({ value }) => Number(value)).sort((a, b) => a - b)).toEqual(set)
    expect(errors.map(({ code }) => code).sort()).toEqual([
      ...set.slice(1).map(() => 'OPERATOR_FAILED'),
      'PIPELINE_ERROR',
    ])
    await topics.broker.close()
  }, 120_000)

  test('a task that goes back while its last checkpoint is still being spread over many partitions writes nothing twice', async () => {
    const { id, input, out } = names()
    const topics = await rawTopics({ [input]: 1, [out]: 200 }, kafka({ brokers }))
    const app = createApp({ id, broker: kafka({ brokers }), store: memory(), commitInterval: 1, onError: 'skip' })
    app.run(
      'odd',
      app.stream<number>(input, { value: json() }).pipe(
        aggregate(
          last((n) => n.value),
          { name: 'last' },
        ),
        map((n) => {
          if (n.value % 50 === 0) throw new RangeError(`${n.value}`)
          return record(`k${n.value}`, n.value, n.timestamp)
        }),
        toTopic(out),
      ),
    )
    await app.start()
    const values = Array.from({ length: 2_000 }, (_, n) => n + 1)
    for (const value of values) await topics.send({ topic: input, partition: 0 }, 'k', `${value}`)
    const isThrough = async () => (await topics.broker.committed(id, [input]))[0]?.offset === values.length
    await until('all of them', isThrough, 60_000)
    await app.stop()
    const written = (await topics.read(out)).map(({ value }) => Number(value))
    expect(written.sort((a, b) => a - b)).toEqual(values.filter((value) => value % 50 !== 0))
    await topics.broker.close()
  }, 120_000)

  test('a call that takes longer than the session does not cost the membership', async () => {
    const { id, input, out } = names()
    const topics = await rawTopics({ [input]: 2, [out]: 2 }, kafka({ brokers }))
    const session = 3_000
    const states: string[] = []
    const errors: TidemarkError[] = []
    let answer: (() => void) | undefined
    const member = async (instance: string) => {
      const app = createApp({ id, instance, broker: kafka({ brokers, sessionTimeout: session }), store: memory() })
      app.state$.subscribe((state) => states.push(`${instance} ${state}`))
      app.errors$.subscribe((error) => errors.push(error))
      const call = async (r: StreamRecord<string, number>) => {
        await new Promise<void>((resolve) => {
          answer = resolve
        })
        return r.value
      }
      app.run(
        'slow',
        app
          .stream<number>(input, { value: json() })
          .pipe(mapAsync(call, { name: 'calls', concurrency: 1 }), toTopic(out)),
      )
      await app.start()
      return app
    }
    const a = await member('a')
    const b = await member('b')
    await until('both to run', () => a.stats().tasks.length === 1 && b.stats().tasks.length === 1, 30_000)
    const before = [...states]
    const started = Date.now()
    await topics.send({ topic: input, partition: 0 }, 'k', '1', 1)
    await topics.send({ topic: input, partition: 0 }, 'k', '2', 2)
    await until('the call', () => answer !== undefined, 30_000)
    // For two sessions nobody answers, and whoever had left the group would have been given up for long.
    await until('two sessions', () => Date.now() - started > 2 * session, 30_000)
    expect(states).toEqual(before)
    const first = answer
    first?.()
    await until('the next call', () => answer !== first, 30_000)
    answer?.()
    await until('both results', async () => (await topics.read(out)).length === 2, 30_000)
    expect(states).toEqual(before)
    expect(errors).toEqual([])
    await a.stop()
    await b.stop()
    await topics.broker.close()
  }, 120_000)
})
