import { expect, test } from '@jest/globals'
import { type App, type Broker, embedded, globalTableJoin, json, TidemarkError, toTopic } from 'tidemark'
import { testApp } from 'tidemark/testing'
import { but } from '../but.js'

const copies = (app: App) => app.run('copy', app.stream('in', { value: json() }).pipe(toTopic('out')))

/** A topic with more partitions than it had: on a broker in memory it is another one then. */
async function grow(broker: Broker, topic: string, partitions: number): Promise<void> {
  await broker.deleteTopics([topic])
  await broker.createTopics([{ topic, partitions }])
}

test('an app fails within a minute of a topic that it reads getting partitions, which it would leave unread', async () => {
  const t = await testApp(copies, { topics: { in: 2, out: 1 } })
  await t.advance('10m')
  await grow(t.broker, 'in', 3)
  await expect(t.advance('1m')).rejects.toMatchObject({ code: 'PLAN_MISMATCH', place: { topic: 'in' } })
  await t.restart()
  await t.send('in', { key: 'a', value: 1, partition: 2 })
  await t.settle()
  expect(await t.records('out')).toHaveLength(1)
  await t.stop()
})

test('so does one whose global table gets some', async () => {
  const t = await testApp(
    (app) => {
      const names = app.globalTable<string>('names', { value: json() })
      const named = globalTableJoin(
        names,
        ({ value }: { value: string }) => value,
        (_, name) => name,
      )
      app.run('named', app.stream<string>('in', { value: json() }).pipe(named, toTopic('out')))
    },
    { topics: { in: 1, out: 1, names: 1 } },
  )
  await grow(t.broker, 'names', 2)
  await expect(t.advance('1m')).rejects.toMatchObject({ code: 'PLAN_MISMATCH', place: { topic: 'names' } })
  await t.stop()
})

test('one that joins its group again takes no partitions of which it has no tasks', async () => {
  const inner = embedded()
  let fence = () => {}
  const broker = but(inner, {
    consumer(options) {
      fence = () => options.listener.error(new TidemarkError('FENCED', 'another one has the slot'), true)
      return inner.consumer(options)
    },
  })
  const t = await testApp(copies, { topics: { in: 2, out: 1 }, broker })
  await grow(inner, 'in', 3)
  fence()
  await expect(t.advance('1s')).rejects.toMatchObject({ code: 'PLAN_MISMATCH', place: { topic: 'in' } })
  await t.stop()
})

test('a broker that does not answer is asked again, and the app goes on', async () => {
  const inner = embedded()
  let isAway = false
  const broker = but(inner, {
    async topics(names) {
      if (isAway) throw new TidemarkError('BROKER_UNAVAILABLE', 'away')
      return inner.topics(names)
    },
  })
  const t = await testApp(copies, { topics: { in: 2, out: 1 }, broker })
  isAway = true
  await t.clock.advance('1m')
  isAway = false
  expect(t.errors.map(({ code }) => code)).toEqual(['BROKER_UNAVAILABLE'])
  expect(t.app.stats().state).toBe('running')
  await grow(inner, 'in', 3)
  await expect(t.advance('1m')).rejects.toMatchObject({ code: 'PLAN_MISMATCH' })
  await t.stop()
})
