import { describe, expect, test } from '@jest/globals'
import { filter, map, type Observable, type OperatorFunction } from 'rxjs'
import {
  type AggregateOptions,
  type App,
  aggregate,
  batch,
  cogroup,
  collect,
  count,
  foreignKeyJoin,
  type InWindow,
  json,
  keyBy,
  latest,
  matchPattern,
  pattern,
  process as processed,
  record,
  type StreamRecord,
  sessionWindow,
  slidingWindow,
  string,
  suppress,
  tableGroupBy,
  toStream,
  toTable,
  toTopic,
  tumblingWindow,
} from 'tidemark'
import { type TestApp, testApp } from 'tidemark/testing'

type Stream = Observable<StreamRecord<string, unknown>>

/** All of it under one key, behind an exchange that two tasks write: what of each window came in time. */
const gathered = (before: (stream: Stream, app: App) => Stream, watermark?: { maxOutOfOrderness: number }) =>
  testApp(
    (app) => {
      const stream = app.stream<unknown>('in', { value: json(), ...(watermark && { watermark }) })
      app.run(
        'out',
        before(stream, app).pipe(
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
    { topics: { in: 2, right: 2, out: 1 } },
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

/** Operators that keep back a record for 100 ms at most. */
const holding: Record<string, (stream: Stream) => Observable<StreamRecord<any, any>>> = {
  latest: latest({ every: 100, name: 'held' }),
  batch: batch({ within: 100, name: 'held' }),
  'a window on close': (stream) =>
    stream.pipe(
      tumblingWindow(100),
      aggregate(count(), { name: 'held', emit: 'close' }),
      map(({ key, value, timestamp }) => record(key, value, timestamp)),
    ),
  suppress: (stream) => toTable('rows', stream).pipe(suppress({ until: 100, name: 'held' }), toStream()),
}

/** Operators that say something 100 ms after each record, with that timestamp. */
const saying: Record<string, (stream: Stream) => Observable<StreamRecord<any, any>>> = {
  'timers of process': processed(
    ({ timers, emit }) => ({
      record: ({ key, timestamp }) => timers.at(timestamp + 100, key),
      timer: (timestamp, key) => emit(record(key, 'silent', timestamp)),
    }),
    { name: 'said' },
  ),
  'absences of matchPattern': matchPattern(
    pattern('one', () => true).notFollowedBy('other', () => true, { within: 100 }),
    { name: 'said', select: () => 'silent' },
  ),
}

describe('what an operator has kept back is on time behind keyBy', () => {
  for (const [operator, hold] of Object.entries(holding)) {
    for (const marked of [false, true]) {
      test(`${operator}, by ${marked ? 'a watermark' : 'stream time'}`, async () => {
        const t = await gathered(hold as (stream: Stream) => Stream, marked ? { maxOutOfOrderness: 0 } : undefined)
        await send(t, [0, 'a', 1], [1, 'b', 150])
        await send(t, [1, 'c', 450])
        await send(t, [0, 'd', 90])
        // Brings out a's record, the oldest of all; the other task has told of 300 and more.
        await send(t, [0, 'e', 300])
        await send(t, [0, 'f', 5_000], [1, 'g', 5_000])
        await send(t, [0, 'f', 9_000], [1, 'g', 9_000])
        await send(t, [0, 'f', 19_000], [1, 'g', 19_000])
        expect(dropped(t)).toEqual([])
        expect((await windows(t)).slice(0, 5)).toEqual([[1], [90], [150], [300], [450]])
        await t.stop()
      })
    }
  }

  for (const [operator, say] of Object.entries(saying)) {
    for (const marked of [false, true]) {
      test.each([false, true])(
        `${operator}, by ${marked ? 'a watermark' : 'stream time'} (after a crash: %s)`,
        async (crashes) => {
          const t = await gathered(say as (stream: Stream) => Stream, marked ? { maxOutOfOrderness: 0 } : undefined)
          await send(t, [0, 'a', 1], [1, 'b', 150])
          await send(t, [1, 'c', 450])
          await send(t, [0, 'd', 90])
          if (crashes) {
            await t.crash()
            await t.restart()
          }
          // Brings what is said at 101 and at 190; the other task has told of 450.
          await send(t, [0, 'e', 300])
          for (const time of [5_000, 9_000, 19_000]) await send(t, [0, 'f', time], [1, 'g', time])
          expect(dropped(t)).toEqual([])
          expect((await windows(t)).slice(0, 5)).toEqual([[101], [190], [250], [400], [550]])
          await t.stop()
        },
      )
    }
  }

  /** Two streams in one: records with keys in capitals and those with small ones. */
  const cogrouped =
    (
      options: Pick<AggregateOptions, 'emit' | 'early'>,
      window: OperatorFunction<StreamRecord<string, unknown>, InWindow<any>> = tumblingWindow(100),
    ) =>
    (stream: Stream) => {
      const [ahead, behind] = [true, false].map((isCapital) =>
        stream.pipe(
          filter(({ key }) => (key === key.toUpperCase()) === isCapital),
          window,
        ),
      ) as [InWindow<any>, InWindow<any>]
      const add = (acc: readonly string[], { key }: StreamRecord<string, unknown>) => [...acc, key]
      const merge = (a: readonly string[], b: readonly string[]) => [...a, ...b]
      return cogroup({ init: (): readonly string[] => [], merge }, [[ahead, add] as any, [behind, add]] as any, {
        name: 'both',
        ...options,
      }).pipe(map(({ key, value, timestamp }: any) => record(key, value, timestamp)))
    }

  test.each([
    { says: 'nothing', options: {}, last: [5_000] },
    {
      says: 'something of a later one',
      options: { early: (_: unknown, { timestamp }: { timestamp: number }) => timestamp === 5_000 },
      last: [5_000, 5_000],
    },
  ])('a cogroup of which one stream is ahead, and $says before the first window closes', async ({ options, last }) => {
    const t = await gathered(cogrouped({ emit: 'close', ...options }))
    await send(t, [0, 'a', 1], [0, 'A', 2], [1, 'b', 1_000], [1, 'B', 1_000])
    await send(t, [0, 'A', 450])
    await send(t, [1, 'b', 2_000], [1, 'B', 2_000])
    // Only now the first window closes, in which results are the oldest of all.
    await send(t, [0, 'a', 5_000])
    for (const time of [9_000, 19_000, 29_000])
      await send(t, [0, 'a', time], [0, 'A', time], [1, 'b', time], [1, 'B', time])
    expect(dropped(t)).toEqual([])
    expect((await windows(t)).slice(0, 5)).toEqual([[2, 1], [450], [1_000, 1_000], [2_000, 2_000], last])
    await t.stop()
  })

  test.each([
    { kind: 'sessions', window: sessionWindow<any>(99), first: [9, 9] },
    { kind: 'sliding windows', window: slidingWindow<any>(99), first: [9, 9, 9] },
  ])('a cogroup of $kind whose results come at the last moment of a window behind it', async ({ window, first }) => {
    const t = await gathered(cogrouped({ emit: 'close' }, window))
    await send(t, [0, 'a', 8], [0, 'a', 9], [0, 'A', 9], [1, 'b', 1_000], [1, 'B', 1_000])
    await send(t, [0, 'A', 450])
    await send(t, [1, 'b', 2_000], [1, 'B', 2_000])
    for (const time of [5_000, 9_000, 19_000])
      await send(t, [0, 'a', time], [0, 'A', time], [1, 'b', time], [1, 'B', time])
    expect(dropped(t)).toEqual([])
    expect((await windows(t))[0]).toEqual(first)
    await t.stop()
  })

  test('a cogroup holds back what follows by its windows, and no longer', async () => {
    const t = await gathered(cogrouped({}, tumblingWindow(9)))
    const all = (time: number) => send(t, [0, 'a', time], [0, 'A', time], [1, 'b', time], [1, 'B', time])
    await all(75)
    // Next is due at 90 what began at 81: nothing older than 80 comes any more, and the window [70, 80) closes.
    await all(89)
    await t.advance('2s')
    expect(await windows(t)).toEqual([[75, 75, 75, 75]])
    await t.stop()
  })

  test.each([false, true])(
    'a row that waits behind one that came before it and was changed (after a crash: %s)',
    async (crashes) => {
      const t = await gathered(holding.suppress as (stream: Stream) => Stream)
      await send(t, [0, 'a', 1], [0, 'a', 50], [0, 'd', 20], [1, 'b', 150])
      await send(t, [1, 'c', 450])
      if (crashes) {
        await t.crash()
        await t.restart()
      }
      // Brings out a's row, of 50, then d's, which is older.
      await send(t, [0, 'e', 300])
      for (const time of [5_000, 9_000, 19_000]) await send(t, [0, 'f', time], [1, 'g', time])
      expect(dropped(t)).toEqual([])
      expect((await windows(t)).slice(0, 5)).toEqual([[20], [50], [150], [300], [450]])
      await t.stop()
    },
  )

  test('a grouped table goes by the records that its own task has had', async () => {
    const t = await gathered((stream) =>
      toTable('rows', stream).pipe(
        tableGroupBy(({ key }) => key, count(), { name: 'groups', key: string() }),
        toStream(),
      ),
    )
    // Each in a task of its own.
    await send(t, [0, 'a', 10], [0, 'g', 500])
    // On time in that of its key, whatever the other has come to.
    await send(t, [0, 'a', 15])
    for (const time of [5_000, 9_000]) await send(t, [0, 'a', time], [0, 'g', time])
    expect(dropped(t)).toEqual([])
    expect((await windows(t)).slice(0, 2)).toEqual([[10, 15], [500]])
    await t.stop()
  })

  test('a foreign-key join goes by the rows that each task of the right table has had', async () => {
    const t = await gathered((stream, app) =>
      toTable('left', stream).pipe(
        foreignKeyJoin(
          app.table<unknown>('right', { value: json() }),
          (_, key) => (key === 'l' ? 'a' : 'g'),
          (_, right) => right,
          { name: 'joined' },
        ),
        toStream(),
      ),
    )
    const right = async (key: string, timestamp: number) => {
      await t.send('right', { key, value: 1, timestamp })
      await t.settle()
    }
    // Each in a task of its own.
    await right('a', 10)
    await right('g', 10)
    await send(t, [0, 'l', 5], [0, 'm', 500])
    // On time in that of its key, whatever the other has come to.
    await right('a', 15)
    for (const time of [5_000, 9_000, 19_000]) {
      await send(t, [0, 'l', time], [0, 'm', time])
      await right('a', time)
    }
    expect(dropped(t)).toEqual([])
    expect((await windows(t)).slice(0, 2)).toEqual([[10, 15], [500]])
    await t.stop()
  })

  test('a batch that a record of its own key brings out', async () => {
    const t = await gathered(batch({ within: 10, name: 'held' }) as unknown as (stream: Stream) => Stream)
    await send(t, [0, 'a', 1], [1, 'b', 5_000])
    await send(t, [1, 'b', 6_000])
    await send(t, [0, 'a', 2_000])
    await send(t, [0, 'a', 9_000], [1, 'b', 9_000])
    await send(t, [0, 'a', 19_000], [1, 'b', 19_000])
    expect(dropped(t)).toEqual([])
    expect((await windows(t)).slice(0, 2)).toEqual([[1], [2_000]])
    await t.stop()
  })
})
