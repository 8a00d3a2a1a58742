import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { merge, tap } from 'rxjs'
import { type App, json, mapAsync, toTopic, type WatermarkOptions } from 'tidemark'
import { type TestApp, testApp, testClock } from 'tidemark/testing'

interface Handled {
  readonly from: string
  readonly time: number
}

/** One pipeline for each topic, so that each partition has a task of its own. */
function reading(handled: Handled[], watermarks: { readonly [topic: string]: WatermarkOptions }) {
  return (app: App) => {
    for (const [topic, watermark] of Object.entries(watermarks)) {
      const stream = app.stream<number>(topic, { value: json(), watermark })
      app.run(
        topic,
        stream.pipe(tap(({ partition, timestamp }) => handled.push({ from: `${topic}${partition}`, time: timestamp }))),
      )
    }
  }
}

const send = (t: TestApp<unknown>, topic: string, partition: number, times: readonly number[]) =>
  t.send(
    topic,
    times.map((timestamp) => ({ key: null, value: 1, partition, timestamp })),
  )

const upTo = (end: number, step: number) => Array.from({ length: end / step }, (_, n) => n * step)

/** How far ahead of what the others have yet to read a record was handled, at most. */
function driftOf(handled: readonly Handled[], all: ReadonlyMap<string, readonly number[]>): number {
  const at = new Map([...all.keys()].map((from) => [from, 0]))
  let most = 0
  for (const { from, time } of handled) {
    for (const [other, times] of all) {
      const next = times[at.get(other) as number]
      if (other !== from && next !== undefined) most = Math.max(most, time - next)
    }
    at.set(from, (at.get(from) as number) + 1)
  }
  return most
}

describe('sources of one group', () => {
  const all = new Map([
    ['in0', upTo(1_000, 1)],
    ['in1', upTo(1_000, 10)],
    ['in2', upTo(1_000, 100)],
  ])

  test.each([
    ['without alignment, tasks run as they are scheduled', undefined, 900, 1_000],
    ['with it, none is read further ahead of another than maxDrift', 50, 1, 50],
    ['not at all, if it is 0', 0, 0, 0],
  ])('%s', async (_, maxDrift, least, most) => {
    const handled: Handled[] = []
    const watermark = { maxOutOfOrderness: 0, ...(maxDrift !== undefined && { alignment: { maxDrift } }) }
    const t = await testApp(reading(handled, { in: watermark }), { topics: { in: 3 } })
    for (const [from, times] of all) await send(t, 'in', Number(from[2]), times)
    await t.settle()
    expect(handled).toHaveLength(1_110)
    expect(driftOf(handled, all)).toBeGreaterThanOrEqual(least)
    expect(driftOf(handled, all)).toBeLessThanOrEqual(most)
    await t.stop()
  })

  test('those of another group go on by themselves', async () => {
    const handled: Handled[] = []
    const alignment = { maxDrift: 10 }
    const t = await testApp(
      reading(handled, {
        a: { maxOutOfOrderness: 0, idleTimeout: '1h', alignment },
        b: { maxOutOfOrderness: 0, idleTimeout: '1h', alignment },
        c: { maxOutOfOrderness: 0, idleTimeout: '1h', alignment: { ...alignment, group: 'other' } },
      }),
      { topics: { a: 1, b: 1, c: 1 } },
    )
    await send(t, 'a', 0, [0])
    for (const topic of ['b', 'c']) await send(t, topic, 0, [0, 10, 20])
    await t.settle()
    expect(handled.map(({ from, time }) => `${from} ${time}`).sort()).toEqual([
      'a0 0',
      'b0 0',
      'b0 10',
      'c0 0',
      'c0 10',
      'c0 20',
    ])
    await t.stop()
  })

  test('go by their watermarks, so that one with more disorder is read further in timestamps', async () => {
    const handled: Handled[] = []
    const alignment = { maxDrift: 10 }
    const t = await testApp(
      reading(handled, {
        a: { maxOutOfOrderness: 100, alignment },
        b: { maxOutOfOrderness: 0, idleTimeout: '1h', alignment },
      }),
      { topics: { a: 1, b: 1 } },
    )
    await send(t, 'b', 0, [0])
    await send(t, 'a', 0, [50, 110, 111])
    await t.settle()
    expect(handled.flatMap(({ from, time }) => (from === 'a0' ? [time] : []))).toEqual([50, 110])
    await t.stop()
  })

  test('a slow one holds the fast one back in the log: memory stays bounded', async () => {
    const clock = testClock()
    const handled: Handled[] = []
    const watermark = { maxOutOfOrderness: 0, alignment: { maxDrift: 100 } }
    const t = await testApp(
      (app) => {
        reading(handled, { fast: watermark })(app)
        const slow = app.stream<number>('slow', { value: json(), watermark })
        app.run(
          'slow',
          slow.pipe(
            mapAsync(() => clock.sleep(100).then(() => 1), { concurrency: 1 }),
            toTopic('out'),
          ),
        )
      },
      { topics: { fast: 1, slow: 1, out: 1 }, clock, maxBufferedBytes: 64_000 },
    )
    for (let n = 0; n < 40; n++)
      await send(
        t,
        'fast',
        0,
        upTo(500, 5).map((time) => n * 500 + time),
      )
    await send(t, 'slow', 0, upTo(20_000, 1_000))
    await t.settle()
    for (let calls = 1; calls <= 20; calls++) {
      // One call is under way, and the next record waits for it.
      const next = Math.min(calls, 19) * 1_000
      expect(handled[handled.length - 1]?.time).toBe(calls === 20 ? 19_995 : next + 100)
      const [fast] = t.app.stats().tasks
      // The mark, and the batches that went over it.
      expect(fast?.buffered).toBeLessThanOrEqual(100 + 500)
      if (calls < 19) expect(fast?.lag).toBeGreaterThan(100)
      await t.advance(100)
    }
    expect(handled).toHaveLength(4_000)
    await t.stop()
  })

  test('sources of one task are aligned too: one that is quiet is waited for until it is idle', async () => {
    const handled: Handled[] = []
    const watermark = { maxOutOfOrderness: 0, idleTimeout: '5s', alignment: { maxDrift: 10 } } as const
    const t = await testApp(
      (app) => {
        const stream = (topic: string) => app.stream<number>(topic, { value: json(), watermark })
        app.run(
          'both',
          merge(stream('a'), stream('b')).pipe(
            tap(({ topic, timestamp }) => handled.push({ from: topic, time: timestamp })),
          ),
        )
      },
      { topics: { a: 1, b: 1 } },
    )
    await send(t, 'a', 0, [0, 10, 11, 500])
    await send(t, 'b', 0, [0])
    await t.settle()
    expect(handled).toHaveLength(3)
    await t.advance('4s')
    expect(handled).toHaveLength(3)
    await send(t, 'b', 0, [1])
    await t.settle()
    expect(handled).toHaveLength(5)
    await t.advance('6s')
    expect(handled).toHaveLength(6)
    await t.stop()
  })
})

describe('nobody waits for ever', () => {
  test('where all are further apart than maxDrift, one is idle, one is empty and one quiet without a time-out', async () => {
    const handled: Handled[] = []
    const alignment = { maxDrift: 10 }
    const t = await testApp(
      reading(handled, {
        jumps: { maxOutOfOrderness: 0, alignment },
        idle: { maxOutOfOrderness: 0, idleTimeout: '5s', alignment },
        empty: { maxOutOfOrderness: 0, alignment },
        quiet: { maxOutOfOrderness: 0, alignment },
      }),
      { topics: { jumps: 2, idle: 1, empty: 1, quiet: 1 } },
    )
    await send(t, 'jumps', 0, [0, 1_000, 50_000])
    await send(t, 'jumps', 1, [0, 2_000, 40_000])
    await send(t, 'idle', 0, [5])
    await send(t, 'quiet', 0, [3])
    await t.settle()
    expect(handled.map(({ time }) => time).sort((a, b) => a - b)).toEqual([0, 0, 3, 5])
    await t.advance('6s')
    expect(handled.slice(4).map(({ time }) => time)).toEqual([1_000, 2_000, 40_000, 50_000])
    await t.stop()
  })

  test('for a partition that has moved to another process', async () => {
    const handled: Handled[] = []
    const watermark = { maxOutOfOrderness: 0, idleTimeout: '1h', alignment: { maxDrift: 10 } } as const
    const t = await testApp(reading(handled, { in: watermark }), { topics: { in: 2 } })
    await send(t, 'in', 0, [0, 100])
    await send(t, 'in', 1, [0])
    await t.settle()
    expect(handled).toHaveLength(2)
    await t.addMember()
    expect(handled).toHaveLength(3)
    await t.stop()
  })

  test('whose next record can be read by nobody', async () => {
    const t = await testApp(
      (app) =>
        app.run(
          'in',
          app
            .stream<number>('in', {
              value: json(),
              badRecords: 'skip',
              timestamp: ({ timestamp }) => (timestamp === 7 ? Number.NaN : timestamp),
              watermark: { maxOutOfOrderness: 0, alignment: { maxDrift: 1 } },
            })
            .pipe(toTopic('out')),
        ),
      { topics: { in: 2, out: 1 } },
    )
    await send(t, 'in', 0, [0, 7, 20])
    await send(t, 'in', 1, [0, 10, 30])
    await t.settle()
    expect(await t.records('out')).toHaveLength(5)
    await t.stop()
  })

  test('whatever is read: all of it is, and no partition further ahead than it may be', async () => {
    const times = fc.array(fc.nat(200), { maxLength: 12 })
    await fc.assert(
      fc.asyncProperty(
        fc.array(times, { minLength: 2, maxLength: 4 }),
        fc.nat(60),
        fc.nat(30),
        async (given, maxDrift, bound) => {
          const handled: Handled[] = []
          const watermark = { maxOutOfOrderness: bound, alignment: { maxDrift } }
          const t = await testApp(reading(handled, { in: watermark }), { topics: { in: given.length } })
          for (const [partition, list] of given.entries()) await send(t, 'in', partition, list)
          await t.settle()
          await t.stop()
          expect(handled).toHaveLength(given.flat().length)
          // Read anew in the order found: the highest so far, less the bound, is how far a partition is; with the next record, how far it will be.
          const read = given.map(() => 0)
          const newest = given.map(() => Number.NEGATIVE_INFINITY)
          for (const { from, time } of handled) {
            const places = given.map((list, partition) =>
              (read[partition] as number) < list.length
                ? Math.max(newest[partition] as number, list[read[partition] as number] as number)
                : Number.POSITIVE_INFINITY,
            )
            const partition = Number(from.slice(2))
            expect(places[partition]).toBeLessThanOrEqual(Math.min(...places) + maxDrift)
            newest[partition] = Math.max(newest[partition] as number, time)
            read[partition] = (read[partition] as number) + 1
          }
        },
      ),
      { seed: 1, numRuns: 60 },
    )
  })
})
