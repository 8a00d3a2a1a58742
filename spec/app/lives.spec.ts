import { afterEach, expect, test } from '@jest/globals'
import { map } from 'rxjs'
import {
  type App,
  type AppOptions,
  aggregate,
  type Broker,
  type ConsumerListener,
  count,
  createApp,
  type Duration,
  json,
  memory,
  type Producer,
  TidemarkError,
  toTopic,
} from 'tidemark'
import { testClock } from 'tidemark/testing'
import { but } from '../but.js'
import { until } from '../until.js'
import { rawTopics } from './raw.js'

const apps: App[] = []
afterEach(async () => {
  for (const app of apps.splice(0)) await app.stop()
})

function gate() {
  let open: () => void = () => {}
  const opened = new Promise<void>((resolve) => {
    open = resolve
  })
  return { open, opened }
}

function counts(id: string, broker: Broker, options: Partial<AppOptions> = {}) {
  const app = createApp({ id, broker, store: memory(), changelog: true, commitInterval: 5, ...options })
  app.run('counts', app.stream('in', { value: json() }).pipe(aggregate(count(), { name: 'counts' }), toTopic('out')))
  const errors: string[] = []
  app.errors$.subscribe(({ code }) => errors.push(code))
  apps.push(app)
  return { app, errors }
}

test('an app may be stopped while it takes a slot over', async () => {
  const { broker: inner } = await rawTopics({ in: 1, out: 1 })
  const takeover = gate()
  let isTaking = false
  const broker = but(inner, {
    transactionalProducer: async (id) => {
      const producer = await inner.transactionalProducer(id)
      return but(producer, {
        begin: async () => {
          isTaking = true
          await takeover.opened
          return producer.begin()
        },
      })
    },
  })
  const { app, errors } = counts('stopped', broker)
  const starting = app.start()
  await until('the takeover', () => isTaking)
  const stopping = app.stop()
  takeover.open()
  await Promise.all([starting, stopping])
  expect([app.stats().state, errors]).toEqual(['stopped', []])
})

for (const [when, commitInterval] of [
  ['before a commit', 60_000],
  ['while a commit waits for them', 100],
] as const) {
  test(`a member whose outputs are on their way lets go of them ${when}, and goes on as a new one`, async () => {
    const { broker: inner, send, read } = await rawTopics({ in: 1, out: 1 })
    const clock = testClock()
    const acknowledged = gate()
    let listener: ConsumerListener | undefined
    let isSending = false
    const broker = but(inner, {
      consumer: (options) => {
        listener = options.listener
        return inner.consumer(options)
      },
      producer: async (): Promise<Producer> => {
        const producer = await inner.producer()
        let isClosed = false
        return {
          send: async (records) => {
            if (isClosed) throw new TidemarkError('BAD_STATE', 'the producer is closed')
            isSending = true
            await acknowledged.opened
            await producer.send(records)
          },
          close: async () => {
            isClosed = true
          },
        }
      },
    })
    const { app, errors } = counts('let-go', broker, { guarantee: 'at-least-once', clock, commitInterval })
    const starting = app.start()
    await clock.settle()
    await starting
    await send({ topic: 'in', partition: 0 }, 'a', '1')
    await clock.settle()
    for (let n = 0; n < 3; n++) await send({ topic: 'in', partition: 0 }, 'a', '1')
    await clock.advance(100)
    expect([isSending, app.stats().tasks[0]?.records]).toEqual([true, 4])
    listener?.error(new TidemarkError('FENCED', 'another one has the slot'), true)
    await clock.settle()
    acknowledged.open()
    await clock.advance('1s')
    expect((await read('out')).at(-1)?.value).toBe('4')
    expect([app.stats().state, errors]).toEqual(['running', ['FENCED']])
    const stopping = app.stop()
    await clock.settle()
    await stopping
  })
}

test('at least once: a planned hand-over repeats nothing', async () => {
  const { broker: inner, send, read } = await rawTopics({ in: 2, out: 1 })
  const broker = but(inner, {
    transactionalProducer: async (id) => {
      const producer = await inner.transactionalProducer(id)
      return but(producer, {
        begin: async () => {
          const transaction = await producer.begin()
          return but(transaction, {
            // Long enough for records to come meanwhile.
            commit: async (along) => {
              await new Promise((resolve) => setTimeout(resolve, 20))
              return transaction.commit(along)
            },
          })
        },
      })
    },
  })
  const member = (instance: string) => {
    const app = createApp({
      id: 'handed',
      instance,
      broker,
      store: memory(),
      guarantee: 'at-least-once',
      commitInterval: 10,
    })
    app.run(
      'all',
      app.stream('in', { value: json() }).pipe(
        map((record) => record),
        toTopic('out'),
      ),
    )
    apps.push(app)
    return app
  }
  const first = member('first')
  await first.start()
  let sent = 0
  const feed = async (records: number) => {
    for (let n = 0; n < records; n++, sent++) await send({ topic: 'in', partition: n % 2 }, 'k', String(sent))
  }
  await feed(100)
  const second = member('second')
  const [started] = [second.start(), feed(1_000)]
  await started
  await until('both to run', () => first.stats().tasks.length === 1 && second.stats().tasks.length === 1)
  await feed(100)
  await until('all', async () => new Set((await read('out')).map(({ value }) => value)).size === sent)
  expect((await read('out')).length).toBe(sent)
})

test('a member that is given nothing is ready', async () => {
  const { broker } = await rawTopics({ in: 1, out: 1 })
  const first = counts('spare', broker, { instance: 'first' })
  await first.app.start()
  const second = counts('spare', broker, { instance: 'second' })
  await second.app.start()
  await until('both', () => first.app.health().ready && second.app.health().ready)
  expect([first, second].map(({ app }) => app.stats().tasks.length).sort()).toEqual([0, 1])
})

test('a second start is refused, and stop waits for the first', async () => {
  const { broker: inner } = await rawTopics({ in: 1, out: 1 })
  const shown = gate()
  const broker = but(inner, {
    topics: async (names) => {
      await shown.opened
      return inner.topics(names)
    },
  })
  const calls: string[] = []
  const kept = memory()
  const store = but(kept, {
    open: async (app) => {
      calls.push('open')
      await kept.open(app)
    },
    close: async () => {
      calls.push('close')
      await kept.close()
    },
  })
  const { app } = counts('twice', broker, { store })
  const starting = app.start()
  await expect(app.start()).rejects.toMatchObject({ code: 'BAD_STATE' })
  const stopping = app.stop()
  shown.open()
  await Promise.all([starting, stopping])
  expect([app.stats().state, calls]).toEqual(['stopped', ['open', 'close']])
})

test.each([
  ['a moment ago', '1s', ['BROKER_UNAVAILABLE']],
  // It is seen, so nobody is asked: on Kafka that would take as long as a broker is waited for.
  ['long ago', '11s', []],
])('an app whose last checkpoint was committed %s stops, though the broker has gone since', async (_, since, told) => {
  const { broker: inner, send, read } = await rawTopics({ in: 1, out: 1 })
  const clock = testClock()
  let isAway = false
  const broker = but(inner, {
    transactionalProducer: async (id) => {
      const producer = await inner.transactionalProducer(id)
      return but(producer, {
        begin: async () => {
          if (isAway) throw new TidemarkError('BROKER_UNAVAILABLE', 'it has gone')
          return producer.begin()
        },
      })
    },
  })
  const { app, errors } = counts('gone', broker, { clock })
  const starting = app.start()
  await clock.settle()
  await starting
  await send({ topic: 'in', partition: 0 }, 'a', '1')
  await clock.advance('10ms')
  expect(await read('out')).toHaveLength(1)
  isAway = true
  await clock.advance(since as Duration)
  const stopping = app.stop()
  await clock.settle()
  await stopping
  expect([app.stats().state, errors]).toEqual(['stopped', told])
})
