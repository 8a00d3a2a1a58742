import { expect, test } from '@jest/globals'
import { type App, type Broker, embedded, globalTableJoin, json, TidemarkError, toTopic } from 'tidemark'
import { testApp } from 'tidemark/testing'
import { but } from '../but.js'

function named(app: App) {
  const names = app.globalTable<string>('names', { value: json() })
  app.run(
    'greet',
    app.stream<string>('in', { value: json() }).pipe(
      globalTableJoin(
        names,
        ({ value }) => value,
        (_, name) => `hello ${name}`,
      ),
      toTopic('out'),
    ),
  )
  return names
}

const TOPICS = { in: 1, out: 1, names: 1 }

/** A broker whose consumers, of the group or of global tables, end by an error when a test says so. */
function ending(inner: Broker) {
  const open = new Map<string, (code: TidemarkError['code']) => Promise<void>>()
  let refuses = 0
  const broker = but(inner, {
    async consumer(options) {
      if (refuses > 0) {
        refuses--
        throw new TidemarkError('BROKER_UNAVAILABLE', 'nobody hosts it')
      }
      const consumer = await inner.consumer(options)
      open.set(options.group, async (code) => {
        await consumer.close()
        options.listener.error(new TidemarkError(code, 'another one hosts it now'), true)
      })
      return but(consumer, {
        async close() {
          open.delete(options.group)
          await consumer.close()
        },
      })
    },
  })
  return {
    broker,
    open,
    refuse(times: number) {
      refuses = times
    },
    async end(code: TidemarkError['code'], isOne: (group: string) => boolean) {
      for (const [group, end] of [...open]) {
        if (!isOne(group)) continue
        open.delete(group)
        await end(code)
      }
    },
  }
}

const isGlobal = (group: string) => group.includes('-global-')

test('a global table whose consumer has ended by what passes goes on where it was', async () => {
  const { broker, open, end, refuse } = ending(embedded())
  const t = await testApp(named, { topics: TOPICS, broker })
  await t.send('names', { key: 'a', value: 'Ann' })
  await t.settle()
  await end('BROKER_UNAVAILABLE', () => true)
  refuse(3)
  await t.send('names', [
    { key: 'a', value: 'Anna' },
    { key: 'b', value: 'Bob' },
  ])
  await t.advance('2s')
  await t.send('in', [{ value: 'a' }, { value: 'b' }])
  await t.settle()
  expect((await t.records('out')).map(({ value }) => value)).toEqual(['hello Anna', 'hello Bob'])
  expect(t.app.stats()).toMatchObject({
    state: 'running',
    globalTables: [{ topic: 'names', records: 3, rows: 2, lag: 0 }],
  })
  expect(new Set(t.errors.map(({ code }) => code))).toEqual(new Set(['BROKER_UNAVAILABLE']))
  expect([...open.keys()].filter(isGlobal)).toHaveLength(1)
  await t.stop()
  expect([...open.keys()]).toEqual([])
})

test('an app fails by what does not pass', async () => {
  const { broker, end } = ending(embedded())
  const t = await testApp(named, { topics: TOPICS, broker })
  await end('UNKNOWN_TOPIC', isGlobal)
  await expect(t.settle()).rejects.toMatchObject({ code: 'UNKNOWN_TOPIC' })
  expect(t.app.stats().state).toBe('failed')
  await t.stop()
})

test('an app that is stopped meanwhile joins no more', async () => {
  const { broker, open, end } = ending(embedded())
  const t = await testApp(named, { topics: TOPICS, broker })
  await end('BROKER_UNAVAILABLE', isGlobal)
  await t.stop()
  await t.clock.advance('1m')
  expect([...open.keys()]).toEqual([])
})

test('one that ends while the app starts makes it no member twice', async () => {
  const { broker: inner, open, end } = ending(embedded())
  let isFirst = true
  const broker = but(inner, {
    async producer() {
      if (isFirst) {
        isFirst = false
        await end('BROKER_UNAVAILABLE', isGlobal)
      }
      return inner.producer()
    },
  })
  const t = await testApp(named, { topics: { ...TOPICS, in: 2 }, broker, guarantee: 'at-least-once' })
  await t.advance('1s')
  expect(t.app.stats()).toMatchObject({ state: 'running', tasks: [{ task: '0_0' }, { task: '0_1' }] })
  expect([...open.keys()].filter((group) => !isGlobal(group))).toHaveLength(1)
  await t.stop()
  expect([...open.keys()]).toEqual([])
})
