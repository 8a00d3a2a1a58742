import { describe, expect, test } from '@jest/globals'
import { idleWatermarks, SourceTime, watermarkOf } from '../../lib/task/watermark.js'

interface Given {
  readonly lane: number
  /** Highest timestamp; none: it never had a record. */
  readonly newest?: number
  /** Wall clock of the last one. */
  readonly at?: number
  readonly lags?: boolean
}

const IDLE_MS = 10
const BOUND_MS = 5

/** A source whose lanes have read what is given. */
function source(lanes: readonly Given[], idleMs = IDLE_MS): { time: SourceTime; lagging: Set<number | string> } {
  const time = new SourceTime()
  time.declared = watermarkOf(
    { maxOutOfOrderness: BOUND_MS, ...(Number.isFinite(idleMs) && { idleTimeout: idleMs }) },
    'test',
  )
  const lagging = new Set<number | string>()
  for (const { lane: id, newest, at = 0, lags } of lanes) {
    const lane = time.lane(id, at)
    if (newest !== undefined) {
      lane.newest = newest
      lane.watermark = newest - BOUND_MS
    }
    if (lags) lagging.add(id)
  }
  time.watermark = time.least()
  return { time, lagging }
}

function risen(sources: readonly ReturnType<typeof source>[], now: number): (number | undefined)[] {
  const lagging = new Map(sources.map((one) => [one.time, one.lagging]))
  const found = idleWatermarks([...lagging.keys()], now, (time, lane) => !lagging.get(time)?.has(lane))
  return sources.map(({ time }) => found.get(time))
}

describe('a source', () => {
  test('is as far as its slowest lane', () => {
    expect(
      source([
        { lane: 0, newest: 100 },
        { lane: 1, newest: 40 },
      ]).time.watermark,
    ).toBe(35)
  })

  test('knows no time while a lane has had no record', () => {
    expect(source([{ lane: 0, newest: 100 }, { lane: 1 }]).time.watermark).toBe(Number.NEGATIVE_INFINITY)
  })

  test('never goes back when a slower lane wakes', () => {
    const { time } = source([{ lane: 0, newest: 100 }])
    time.lane(1, 0).watermark = 10
    expect(time.least()).toBe(95)
  })
})

describe('idle lanes', () => {
  test.each<{ name: string; lanes: Given[]; now: number; expected: number | undefined }>([
    {
      name: 'a quiet lane holds back nobody',
      lanes: [
        { lane: 0, newest: 100, at: 50 },
        { lane: 1, newest: 20, at: 5 },
      ],
      now: 50,
      expected: 95,
    },
    {
      name: 'one that never had a record neither',
      lanes: [{ lane: 0, newest: 100, at: 50 }, { lane: 1 }],
      now: 50,
      expected: 95,
    },
    {
      name: 'not before its time-out',
      lanes: [
        { lane: 0, newest: 100, at: 14 },
        { lane: 1, newest: 20, at: 5 },
      ],
      now: 14,
      expected: undefined,
    },
    {
      name: 'but from it on',
      lanes: [
        { lane: 0, newest: 100, at: 15 },
        { lane: 1, newest: 20, at: 5 },
      ],
      now: 15,
      expected: 95,
    },
    {
      name: 'lag is never idle',
      lanes: [
        { lane: 0, newest: 100, at: 50 },
        { lane: 1, newest: 20, at: 5, lags: true },
      ],
      now: 50,
      expected: undefined,
    },
    {
      name: 'when all are idle, time goes on with the wall clock, from the furthest that any has come',
      lanes: [
        { lane: 0, newest: 100, at: 20 },
        { lane: 1, newest: 90, at: 30 },
      ],
      now: 50,
      // 100 - 5, and the 20 ms since the last record of all.
      expected: 115,
    },
    {
      name: 'then lanes without any record say nothing',
      lanes: [{ lane: 0, newest: 100, at: 20 }, { lane: 1 }],
      now: 50,
      expected: 125,
    },
    { name: 'and no lane with one means no time', lanes: [{ lane: 0 }], now: 50, expected: undefined },
  ])('$name', ({ lanes, now, expected }) => {
    expect(risen([source(lanes)], now)).toEqual([expected])
  })

  test('a source that is idle as a whole follows the busy ones, the slowest of them', () => {
    const quiet = source([{ lane: 0, newest: 10, at: 0 }])
    const busy = source([{ lane: 0, newest: 100, at: 50 }])
    const slower = source([{ lane: 0, newest: 60, at: 50 }])
    expect(risen([quiet, busy, slower], 50)).toEqual([55, undefined, undefined])
  })

  test('a source without a time-out is never idle', () => {
    const endless = source([{ lane: 0, newest: 10, at: 0 }], Number.POSITIVE_INFINITY)
    expect(risen([endless], 1_000_000)).toEqual([undefined])
  })

  test('a lane counts again with its next record', () => {
    const one = source([
      { lane: 0, newest: 100, at: 50 },
      { lane: 1, newest: 20, at: 5 },
    ])
    risen([one], 50)
    expect(one.time.lane(1, 50).idle).toBe(true)
    one.time.lane(1, 50).activeAt = 51
    risen([one], 52)
    expect(one.time.lane(1, 50).idle).toBe(false)
  })
})
