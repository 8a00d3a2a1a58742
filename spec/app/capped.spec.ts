import { expect, test } from '@jest/globals'
import { merge, type Observable } from 'rxjs'
import {
  type App,
  aggregate,
  batch,
  cogroup,
  count,
  json,
  keyBy,
  latest,
  partitionOf,
  process as processed,
  record,
  type StreamRecord,
  string,
  toTopic,
  tumblingWindow,
} from 'tidemark'
import { testApp } from 'tidemark/testing'

type Stream = Observable<StreamRecord<string, { to: string }>>

const keyIn = (partition: number) =>
  'abcdefgh'.split('').find((key) => partitionOf(new TextEncoder().encode(key), 2) === partition) as string

const operators: Record<string, (keyed: Stream, direct: Stream) => Observable<StreamRecord<any, any>>> = {
  'a window on close': (keyed, direct) =>
    merge(keyed, direct).pipe(tumblingWindow(10), aggregate(count(), { name: 'op', emit: 'close' })),
  latest: (keyed, direct) => merge(keyed, direct).pipe(latest({ every: 10, name: 'op' })),
  batch: (keyed, direct) => merge(keyed, direct).pipe(batch({ within: 10, name: 'op' })),
  timers: (keyed, direct) =>
    merge(keyed, direct).pipe(
      processed<StreamRecord<string, unknown>, StreamRecord<string, string>>(
        ({ timers, emit }) => ({
          record: ({ timestamp, key }) => timers.at(Math.floor(timestamp / 10) * 10 + 10, key),
          timer: (timestamp, key) => emit(record(key as string, 'timer', timestamp - 10)),
        }),
        { name: 'op' },
      ),
    ),
}

/** An exchange that two tasks write, merged with a source of the task's own. */
const setting = (build: (keyed: Stream, direct: Stream) => Observable<StreamRecord<any, any>>) =>
  testApp(
    (app: App) => {
      const keyed = app
        .stream<{ to: string }>('a', { value: json() })
        .pipe(keyBy(({ value }) => value.to, { name: 'by-to', key: string() }))
      const direct = app.stream<{ to: string }>('b', { value: json() })
      app.run('out', build(keyed, direct).pipe(toTopic('out', { value: json() })))
    },
    { topics: { a: 2, b: 2, out: 1 } },
  )

const ahead = (to: string) => [0, 1].map((partition) => ({ key: 'x', partition, value: { to }, timestamp: 1_000 }))

for (const [operator, build] of Object.entries(operators)) {
  test(`${operator}: records that come past an exchange bring out what is due`, async () => {
    const t = await setting(build)
    // Both writers are far ahead, by records for the other partition.
    await t.send('a', ahead(keyIn(1)))
    await t.settle()
    const out: number[] = []
    for (const timestamp of [1, 15, 500, 900]) {
      await t.send('b', { key: keyIn(0), value: { to: '' }, timestamp })
      await t.settle()
      out.push((await t.records('out')).length)
    }
    expect(out).toEqual([0, 1, 2, 3])
    expect((await t.records('out')).map(({ timestamp }) => Math.floor(timestamp / 10))).toEqual([0, 1, 50])
    await t.stop()
  })
}

test('cogroup: windows close by the input that is furthest behind', async () => {
  const t = await setting((keyed, direct) =>
    cogroup(
      { init: () => 0 },
      [
        [keyed.pipe(tumblingWindow(10)), (sum: number) => sum + 1],
        [direct.pipe(tumblingWindow(10)), (sum: number) => sum + 100],
      ],
      { name: 'op', emit: 'close' },
    ),
  )
  await t.send('a', [...ahead(keyIn(1)), ...ahead(keyIn(0))])
  await t.settle()
  const out: unknown[] = []
  for (const timestamp of [1, 15, 500, 900]) {
    await t.send('b', { key: keyIn(0), value: { to: '' }, timestamp })
    await t.settle()
    out.push((await t.records('out')).length)
  }
  expect(out).toEqual([0, 1, 2, 3])
  await t.stop()
})
