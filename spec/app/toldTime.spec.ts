import { describe, expect, test } from '@jest/globals'
import type { Observable } from 'rxjs'
import { aggregate, collect, json, keyBy, type StreamRecord, string, toTopic, tumblingWindow } from 'tidemark'
import { type TestApp, testApp } from 'tidemark/testing'

type Stream = Observable<StreamRecord<string, unknown>>

/** All of it under one key, behind an exchange that two tasks write: what of each window came in time. */
const gathered = (before: (stream: Stream) => Stream, watermark?: { maxOutOfOrderness: number }) =>
  testApp(
    (app) => {
      const stream = app.stream<unknown>('in', { value: json(), ...(watermark && { watermark }) })
      app.run(
        'out',
        before(stream).pipe(
          keyBy(() => 'all', { name: 'by-all', key: string() }),
          tumblingWindow(10),
          aggregate(
            collect(({ timestamp }) => timestamp),
            { name: 'gathered', emit: 'close' },
          ),
          toTopic('out', { value: json<number[]>() }),
        ),
      )
    },
    { topics: { in: 2, out: 1 } },
  )

type Sent = readonly [partition: number, key: string, timestamp: number]

async function send(t: TestApp<unknown>, ...list: readonly Sent[]): Promise<void> {
  await t.send(
    'in',
    list.map(([partition, key, timestamp]) => ({ key, partition, value: 1, timestamp })),
  )
  await t.settle()
}

const dropped = (t: TestApp<unknown>) => t.app.stats().tasks.flatMap((task) => task.dropped)
const windows = async (t: TestApp<unknown>) => (await t.records('out')).map(({ value }) => value)

describe('a partition that is quiet at first', () => {
  test.each([false, true])('holds back time from its first record on (after a crash: %s)', async (crashes) => {
    const t = await gathered((stream) => stream)
    await send(t, [1, 'b', 0])
    await send(t, [0, 'a', 2])
    if (crashes) {
      await t.crash()
      await t.restart()
    }
    await send(t, [1, 'b', 1_000])
    await send(t, [0, 'a', 5])
    await send(t, [0, 'a', 15])
    await send(t, [0, 'a', 2_000], [1, 'b', 2_000])
    await send(t, [0, 'a', 3_000], [1, 'b', 3_000])
    expect(dropped(t)).toEqual([])
    expect(await windows(t)).toEqual([[0, 2, 5], [15], [1_000], [2_000, 2_000]])
    await t.stop()
  })
})
