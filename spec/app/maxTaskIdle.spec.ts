import { expect, test } from '@jest/globals'
import { merge, tap } from 'rxjs'
import { createApp, embedded, json, memory } from 'tidemark'
import { type TestApp, type TestClock, testApp, testClock } from 'tidemark/testing'

/** A task that reads a and b. */
async function both(maxTaskIdle: '5s' | undefined, clock = testClock()) {
  const handled: string[] = []
  const t = await testApp(
    (app) => {
      const stream = (topic: string) => app.stream<number>(topic, { value: json() })
      app.run(
        'both',
        merge(stream('a'), stream('b')).pipe(tap(({ topic, timestamp }) => handled.push(`${topic}@${timestamp}`))),
      )
    },
    { topics: { a: 1, b: 1 }, clock, ...(maxTaskIdle !== undefined && { maxTaskIdle }) },
  )
  return { t, handled }
}

const send = (t: TestApp<unknown>, topic: string, ...times: number[]) =>
  t.send(
    topic,
    times.map((timestamp) => ({ key: null, value: 1, timestamp })),
  )

test('0: a partition that is caught up is not waited for', async () => {
  const { t, handled } = await both(undefined)
  await send(t, 'a', 10)
  await t.settle()
  await send(t, 'b', 5)
  await t.settle()
  expect(handled).toEqual(['a@10', 'b@5'])
  await t.stop()
})

test('what comes within the time is handled in the order of timestamps', async () => {
  const { t, handled } = await both('5s')
  await send(t, 'a', 10, 20)
  await t.advance('4s')
  expect(handled).toEqual([])
  await send(t, 'b', 5, 15)
  await t.advance('4s')
  expect(handled).toEqual(['b@5', 'a@10', 'b@15'])
  await t.stop()
})

test('after it the task goes on, and waits again only for what has had records meanwhile', async () => {
  const { t, handled } = await both('5s')
  await send(t, 'a', 10)
  await t.advance('5s')
  expect(handled).toEqual(['a@10'])
  await t.advance('10s')
  await send(t, 'a', 20)
  await t.settle()
  expect(handled).toEqual(['a@10', 'a@20'])
  // a has just had a record: it is waited for, and then b.
  await send(t, 'b', 15)
  await t.advance('4s')
  expect(handled).toHaveLength(2)
  await t.advance('1s')
  expect(handled).toEqual(['a@10', 'a@20', 'b@15'])
  await send(t, 'a', 30)
  await t.advance('4s')
  expect(handled).toHaveLength(3)
  await t.advance('1s')
  expect(handled).toHaveLength(4)
  await t.stop()
})

test('a wait ends with the task', async () => {
  const clock = testClock()
  const pending = new Set<object>()
  const counted: TestClock = {
    ...clock,
    after(ms, callback) {
      const timer = {}
      pending.add(timer)
      const cancel = clock.after(ms, () => {
        pending.delete(timer)
        callback()
      })
      return () => {
        pending.delete(timer)
        cancel()
      }
    },
  }
  const { t, handled } = await both('5s', counted)
  await send(t, 'a', 10)
  await t.settle()
  expect(pending.size).toBeGreaterThan(0)
  await t.stop()
  expect(pending.size).toBe(0)
  expect(handled).toEqual([])
})

test.each([-1, '5 s', Number.NaN])('%p is refused', (maxTaskIdle) => {
  expect(() => createApp({ id: 'x', broker: embedded(), store: memory(), maxTaskIdle: maxTaskIdle as never })).toThrow(
    expect.objectContaining({ code: 'BAD_DURATION' }),
  )
})
