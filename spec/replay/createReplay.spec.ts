import { afterEach, describe, expect, test } from '@jest/globals'
import { first, Observable, type OperatorFunction } from 'rxjs'
import {
  type App,
  aggregate,
  count,
  json,
  last,
  mapAsync,
  mapValues,
  memory,
  process,
  retry,
  type StreamRecord,
  toRows,
  toTable,
  toTopic,
  tumblingWindow,
} from '../../lib/index.js'
import {
  createReplay,
  type RecordedRecord,
  type Recording,
  type Replay,
  type ReplayOptions,
  type ReplayState,
} from '../../lib/replay/index.js'
import { testClock } from '../../lib/testing/index.js'
import { until } from '../until.js'
import { recordingOf } from './recordingOf.js'

const encoder = new TextEncoder()
const START = 1_000_000

/** A record each second: a, b, a, b… */
function* seconds(size: number, value: (n: number) => unknown = (n) => n): Iterable<RecordedRecord> {
  for (let n = 0; n < size; n++)
    yield {
      topic: 'clicks',
      partition: n % 2,
      offset: n >> 1,
      timestamp: START + 1_000 * n,
      key: encoder.encode('ab'[n % 2]),
      value: encoder.encode(JSON.stringify(value(n))),
      headers: [],
    }
}

const TOPICS = { clicks: { partitions: 2 } }

/** Counts in ten seconds: one result for each record. */
function counting(app: App) {
  const clicks = app.stream<number>('clicks', { value: json() })
  const counts = toTable('counts', clicks.pipe(tumblingWindow('10s'), aggregate(count(), { name: 'counts' })))
  const totals = toTable('totals', clicks.pipe(aggregate(count(), { name: 'totals' })))
  app.run('counts', counts.changes())
  app.run('totals', totals.changes())
  app.run('out', clicks.pipe(aggregate(count(), { name: 'sent' }), toTopic('out')))
  return { counts, totals }
}

let open: Replay<unknown>[] = []
afterEach(async () => {
  for (const replay of open) await replay.close()
  open = []
})

function replayOf<T>(options: ReplayOptions<T>): Replay<T> {
  const replay = createReplay(options)
  open.push(replay)
  return replay
}

const values = (replay: Replay<unknown>) =>
  replay.outputs('out').map(({ index, value }) => `${index}: ${new TextDecoder().decode(value as Uint8Array)}`)

describe('going to places', () => {
  test('step by step, forward and back: outputs and rows are those of the place', async () => {
    const replay = replayOf({ recording: await recordingOf(TOPICS, seconds(30)), pipeline: counting })
    const { totals } = replay.result
    expect(replay.position).toEqual({
      index: 0,
      of: 30,
      timestamp: START,
      watermark: Number.NEGATIVE_INFINITY,
    })
    expect([...totals.entries()]).toEqual([])
    await replay.step()
    expect([...totals.entries()]).toEqual([['a', 1]])
    await replay.step(4)
    expect(values(replay)).toEqual(['1: 1', '2: 1', '3: 2', '4: 2', '5: 3'])
    expect(replay.position).toEqual({ index: 5, of: 30, timestamp: START + 4_000, watermark: START + 3_000 })
    expect(replay.result.counts.get('a', { start: START, end: START + 10_000 })).toBe(3)
    await replay.step(-2)
    expect(replay.index).toBe(3)
    expect(values(replay)).toEqual(['1: 1', '2: 1', '3: 2'])
    expect([...totals.entries()].sort()).toEqual([
      ['a', 2],
      ['b', 1],
    ])
    expect(replay.stateEntries('totals')).toEqual([
      { task: 'clicks/0', key: 'a', value: 2 },
      { task: 'clicks/1', key: 'b', value: 1 },
    ])
    await replay.step(-5)
    expect([replay.position.index, values(replay), [...totals.entries()]]).toEqual([0, [], []])
    await replay.step(1_000)
    expect(replay.position.index).toBe(30)
    expect(values(replay)).toHaveLength(30)
  })

  test('to a time, and to an offset', async () => {
    const replay = replayOf({ recording: await recordingOf(TOPICS, seconds(30)), pipeline: counting })
    await replay.seek({ time: START + 7_500 })
    expect(replay.position).toMatchObject({ index: 8, timestamp: START + 7_000 })
    await replay.seek({ topic: 'clicks', partition: 1, offset: 2 })
    expect(replay.position.index).toBe(5)
    await expect(replay.seek({ index: 31 })).rejects.toMatchObject({ code: 'BAD_OPTION' })
    await expect(replay.step(0.5)).rejects.toMatchObject({ code: 'BAD_OPTION' })
    expect(() => replay.stateEntries('nobody')).toThrow(expect.objectContaining({ code: 'BAD_OPTION' }))
  })

  test('a watched row follows, back too', async () => {
    const replay = replayOf({ recording: await recordingOf(TOPICS, seconds(10)), pipeline: counting })
    const seen: unknown[] = []
    replay.result.totals.watch('a').subscribe((value) => seen.push(value))
    await replay.step(5)
    expect(seen).toEqual([undefined, 1, 2, 3])
    await replay.seek({ index: 3 })
    expect(seen.at(-1)).toBe(2)
  })

  test('what has been written comes once on the way forward, and again after a move back', async () => {
    const replay = replayOf({ recording: await recordingOf(TOPICS, seconds(10)), pipeline: counting })
    const told: number[] = []
    replay.outputs$.subscribe(({ index }) => told.push(index))
    await replay.seek({ index: 4 })
    await replay.seek({ index: 2 })
    await replay.seek({ index: 5 })
    expect(told).toEqual([1, 2, 3, 4, 3, 4, 5])
  })

  test('of several commands the last counts: the others say that they were taken over', async () => {
    const replay = replayOf({ recording: await recordingOf(TOPICS, seconds(20_000)), pipeline: counting })
    const states: string[] = []
    replay.state$.subscribe((state) => states.push(state))
    const all = [
      replay.seek({ index: 20_000 }),
      replay.seek({ index: 7 }),
      replay.seek({ index: 12_000 }),
      replay.step(-1),
    ]
    expect(await Promise.all(all)).toEqual([false, false, false, true])
    expect(replay.position.index).toBe(11_999)
    expect(states).toEqual(['paused', 'seeking', 'paused'])
    const far = replay.seek({ index: 20_000 })
    await until('it is on its way', () => replay.index > 12_100)
    expect(await Promise.all([replay.seek({ index: 3 }), far])).toEqual([true, false])
    expect(values(replay)).toEqual(['1: 1', '2: 1', '3: 2'])
  })
})

describe('playing', () => {
  async function playing(recording: Recording, speed: number) {
    const clock = testClock()
    const replay = replayOf({ recording, pipeline: counting, clock })
    replay.speed = speed
    replay.play()
    await clock.settle()
    return { clock, replay }
  }

  test.each([0.1, 1, 20, 1_000])('at %d times the recorded time', async (speed) => {
    const { clock, replay } = await playing(await recordingOf(TOPICS, seconds(200)), speed)
    // The first is there at once.
    expect(replay.position.index).toBe(1)
    await clock.advance(5_000 / speed)
    expect(replay.position.index).toBe(6)
    await clock.advance(100_000 / speed)
    expect(replay.position.index).toBe(106)
    expect(replay.state).toBe('playing')
    await clock.advance(94_000 / speed)
    expect(replay.position.index).toBe(200)
    expect(replay.state).toBe('paused')
    expect(values(replay)).toHaveLength(200)
  })

  test('as fast as it can', async () => {
    const { replay } = await playing(await recordingOf(TOPICS, seconds(5_000)), Number.POSITIVE_INFINITY)
    expect(replay.position.index).toBe(5_000)
  })

  test('a pause takes no recorded time, and another speed counts from then on', async () => {
    const { clock, replay } = await playing(await recordingOf(TOPICS, seconds(200)), 1)
    await clock.advance(3_000)
    const pausing = replay.pause()
    await clock.settle()
    await pausing
    await clock.advance(60_000)
    expect([replay.position.index, replay.state]).toEqual([4, 'paused'])
    replay.play()
    await clock.advance(2_000)
    expect(replay.position.index).toBe(6)
    replay.speed = 10
    await clock.advance(2_000)
    expect(replay.position.index).toBe(26)
    for (const speed of [0, 0.09, 1_001, Number.NaN, -1])
      expect(() => {
        replay.speed = speed
      }).toThrow(expect.objectContaining({ code: 'BAD_OPTION' }))
    expect(replay.speed).toBe(10)
  })

  test('a seek plays on from there, a step pauses', async () => {
    const { clock, replay } = await playing(await recordingOf(TOPICS, seconds(200)), 1)
    const seeking = replay.seek({ index: 100 })
    await clock.settle()
    expect(await seeking).toBe(true)
    await clock.advance(3_000)
    expect([replay.position.index, replay.state]).toEqual([103, 'playing'])
    const stepping = replay.step()
    await clock.settle()
    await stepping
    await clock.advance(30_000)
    expect([replay.position.index, replay.state]).toEqual([104, 'paused'])
  })

  /** Gives a command as soon as a state is told. */
  function onceTold(replay: Replay<unknown>, state: ReplayState, command: () => Promise<unknown>) {
    let isDone = false
    replay.state$.pipe(first((now) => now === state)).subscribe(async () => {
      await command()
      isDone = true
    })
    return () => isDone
  }

  test.each<[string, (replay: Replay<unknown>) => Promise<unknown>, unknown[]]>([
    ['pause', (replay) => replay.pause(), [1, 'paused']],
    ['seek', (replay) => replay.seek({ index: 100 }), [100, 'playing']],
    ['step', (replay) => replay.step(), [2, 'paused']],
    ['close', (replay) => replay.close(), [1, 'closed']],
  ])('%s counts at once for who hears that it plays', async (_name, command, [index, state]) => {
    const clock = testClock()
    const replay = replayOf({ recording: await recordingOf(TOPICS, seconds(200)), pipeline: counting, clock })
    const seeking = replay.seek({ index: 1 })
    await clock.settle()
    await seeking
    const isDone = onceTold(replay, 'playing', () => command(replay))
    replay.play()
    await clock.settle()
    expect([isDone(), replay.position.index, replay.state]).toEqual([true, index, state])
  })

  test('closed by who hears that it seeks, it opens nothing any more', async () => {
    let subscriptions = 0
    const replay = replayOf({
      recording: await recordingOf(TOPICS, seconds(20)),
      pipeline: (app) => {
        const clicks = app.stream<number>('clicks', { value: json() })
        const counted = (source: typeof clicks) =>
          new Observable<StreamRecord<string, number>>((subscriber) => {
            subscriptions++
            return source.subscribe(subscriber).add(() => subscriptions--)
          })
        app.run('out', clicks.pipe(counted, aggregate(count(), { name: 'counts' }), toTopic('out')))
      },
    })
    await replay.seek({ index: 10 })
    expect(subscriptions).toBe(2)
    const isDone = onceTold(replay, 'seeking', () => replay.close())
    expect(await replay.seek({ index: 3 })).toBe(false)
    await until('it is closed', isDone)
    expect(subscriptions).toBe(0)
  })
})

describe('what goes wrong', () => {
  const failing = (app: App) =>
    app.run(
      'failing',
      app.stream<number>('clicks', { value: json() }).pipe(
        mapValues((n) => {
          if (n === 7) throw new RangeError('seven')
          return n
        }),
        toTopic('out'),
      ),
    )

  test('ends there, and one can go back from it', async () => {
    const replay = replayOf({ recording: await recordingOf(TOPICS, seconds(20)), pipeline: failing })
    const codes: string[] = []
    replay.errors$.subscribe(({ code, place }) => codes.push(`${code} ${place.partition}@${place.offset}`))
    await expect(replay.seek({ index: 20 })).rejects.toMatchObject({
      code: 'OPERATOR_FAILED',
      cause: new RangeError('seven'),
    })
    expect([replay.state, replay.position.index, values(replay).length]).toEqual(['failed', 7, 7])
    expect(codes).toEqual(['OPERATOR_FAILED 1@3'])
    expect(await replay.step(-2)).toBe(true)
    expect([replay.state, replay.position.index, values(replay).length]).toEqual(['paused', 5, 5])
    replay.speed = Number.POSITIVE_INFINITY
    replay.play()
    await until('it has failed again', () => replay.state === 'failed')
    expect(replay.position.index).toBe(7)
  })

  test.each<[string, (tried: (n: number) => number) => OperatorFunction<StreamRecord<string, number>, unknown>]>([
    ['before any state', (tried) => mapValues(tried)],
    [
      'in the state',
      (tried) =>
        aggregate(
          last(({ value }) => tried(value)),
          { name: 'last' },
        ),
    ],
    ['by calls', (tried) => mapAsync(async ({ value }) => tried(value), { name: 'calls' })],
  ])('%s: tried again without end, once in each millisecond of recorded time', async (_name, operator) => {
    let tries = 0
    const tried = (n: number) => {
      // Were time not to pass, there would be no end to it.
      if (n === 1 || ++tries > 2_000) return n
      throw new RangeError(`${n}`)
    }
    const onError = retry({ times: Number.POSITIVE_INFINITY, backoff: 1, maxBackoff: 1, jitter: 1 })
    const replay = replayOf({
      recording: await recordingOf({ clicks: { partitions: 1 } }, [
        ...seconds(1),
        ...[...seconds(1, () => 1)].map((one) => ({ ...one, offset: 1, timestamp: START + 200 })),
      ]),
      pipeline: (app) => app.run('x', app.stream<number>('clicks', { value: json(), onError }).pipe(operator(tried))),
    })
    await replay.step()
    expect([replay.position.index, tries]).toEqual([1, 1])
    await replay.step()
    expect([replay.position.index, replay.state]).toEqual([2, 'paused'])
    expect(tries).toBe(201)
  })

  test('is told at once where the plan doesn’t fit the recording', async () => {
    const recording = await recordingOf(TOPICS, seconds(1))
    const reads = (topic: string) => (app: App) => app.run('x', app.stream(topic, { value: json() }))
    const code = (value: string) => expect.objectContaining({ code: value })
    expect(() => createReplay({ recording, pipeline: reads('orders') })).toThrow(code('UNKNOWN_TOPIC'))
    expect(() => createReplay({ recording, pipeline: () => {} })).toThrow(code('BAD_OPTION'))
    const store = { ...memory(), transactions: {} }
    const rows = (app: App) =>
      app.run('x', app.stream<number>('clicks', { value: json() }).pipe(toRows(store, async () => {})))
    expect(() => createReplay({ recording, pipeline: rows })).toThrow(code('BAD_OPTION'))
    // One that is empty in the recording may be named.
    const replay = replayOf({ recording, topics: { orders: 3 }, pipeline: reads('orders') })
    expect(await replay.seek({ index: 1 })).toBe(true)
  })
})

describe('calls', () => {
  test('each record waits for its own; going elsewhere and closing end them', async () => {
    const asked: number[] = []
    const answers = new Map<number, () => void>()
    const known = new Set<number>()
    let aborted = 0
    const replay = replayOf({
      recording: await recordingOf(TOPICS, seconds(20)),
      pipeline: (app) => {
        const called = app.stream<number>('clicks', { value: json() }).pipe(
          mapAsync(
            ({ value }, { signal }) => {
              asked.push(value)
              signal.addEventListener('abort', () => aborted++)
              if (known.has(value)) return Promise.resolve(value)
              return new Promise<number>((resolve) => answers.set(value, () => resolve(value)))
            },
            { order: 'none', timeout: '1s' },
          ),
        )
        app.run('called', called.pipe(toTopic('out')))
      },
    })
    const answer = (n: number) => {
      known.add(n)
      answers.get(n)?.()
    }
    const seeking = replay.seek({ index: 2 })
    for (const n of [0, 1]) {
      await until(`it asks for ${n}`, () => answers.has(n))
      expect(replay.index).toBe(n)
      answer(n)
    }
    expect(await seeking).toBe(true)
    expect([asked, values(replay), aborted]).toEqual([[0, 1], ['1: 0', '2: 1'], 0])

    const further = replay.seek({ index: 3 })
    await until('it asks for 2', () => answers.has(2))
    expect(await replay.seek({ index: 1 })).toBe(true)
    expect([await further, aborted, values(replay)]).toEqual([false, 1, ['1: 0']])

    answers.clear()
    replay.speed = Number.POSITIVE_INFINITY
    replay.play()
    await until('it asks for 2 again', () => answers.has(2))
    await replay.pause()
    expect([replay.position.index, replay.state, values(replay)]).toEqual([2, 'paused', ['1: 0', '2: 1']])

    answers.clear()
    const last = replay.seek({ index: 5 })
    await until('it asks for 2 once more', () => answers.has(2))
    await replay.close()
    expect([await last, replay.state, aborted]).toEqual([false, 'closed', 3])
    expect(() => replay.play()).toThrow(expect.objectContaining({ code: 'BAD_STATE' }))
  })
})

describe('the page has its turn', () => {
  /** What is found at each turn, as long as something goes on. */
  async function atTurns<T>(during: Promise<unknown>, look: () => T): Promise<T[]> {
    const found: T[] = []
    let isOver = false
    const end = () => {
      isOver = true
    }
    during.then(end, end)
    while (!isOver) {
      found.push(look())
      await new Promise((resolve) => setTimeout(resolve))
    }
    return found
  }

  const DAYS = 2 * 86_400
  /** Two records, two days apart, and a clock that strikes each second. */
  async function striking() {
    let strikes = 0
    const ends = [
      ...seconds(1),
      ...[...seconds(1)].map((one) => ({ ...one, timestamp: START + DAYS * 1_000, offset: 1 })),
    ]
    const replay = replayOf({
      recording: await recordingOf(TOPICS, ends),
      pipeline: (app) => {
        const clicks = app.stream<number>('clicks', { value: json() })
        const each = process<StreamRecord<string, number>, StreamRecord<string, number>>(
          ({ every, keyed }) => {
            const counts = keyed<string, number>()
            every('1s', () => {
              strikes++
              counts.put('all', (counts.get('all') ?? 0) + 1)
            })
            return { record() {} }
          },
          { name: 'strikes' },
        )
        app.run('out', clicks.pipe(each, toTopic('out')))
      },
    })
    return { replay, strikes: () => strikes }
  }

  test('while timers fire in a gap of the recording', async () => {
    const { replay, strikes } = await striking()
    const seen = await atTurns(replay.seek({ index: 2 }), strikes)
    // Both tasks have one.
    expect(strikes()).toBe(2 * DAYS)
    expect(seen.filter((count) => count > 0 && count < 2 * DAYS).length).toBeGreaterThan(1)
    expect(replay.position.index).toBe(2)
  })

  test('and a pause in the gap is a pause before it', async () => {
    const { replay, strikes } = await striking()
    await replay.seek({ index: 1 })
    const before = replay.stateEntries('strikes')
    replay.speed = Number.POSITIVE_INFINITY
    replay.play()
    await until('the gap', () => strikes() > 100)
    await replay.pause()
    expect([replay.state, replay.position.index]).toEqual(['paused', 1])
    expect(replay.stateEntries('strikes')).toEqual(before)
    await replay.step()
    expect(replay.stateEntries('strikes').map(({ value }) => value)).toEqual([DAYS, DAYS])
  })

  test('while a global table is filled again', async () => {
    const size = 40_000
    const replay = replayOf({
      recording: await recordingOf({ clicks: { partitions: 2 }, users: { partitions: 1 } }, [
        ...[...seconds(size)].map((one, offset) => ({
          ...one,
          topic: 'users',
          partition: 0,
          offset,
          key: encoder.encode(`u${offset}`),
        })),
        ...[...seconds(2)].map((one) => ({ ...one, timestamp: START + size * 1_000 })),
      ]),
      pipeline: (app) => {
        app.run('out', app.stream<number>('clicks', { value: json() }).pipe(toTopic('out')))
        return app.globalTable<number>('users', { value: json() })
      },
    })
    const rows = () => [...replay.result.entries()].length
    await replay.seek({ index: size + 2 })
    const seen = await atTurns(replay.step(-1), rows)
    expect(seen.filter((count) => count > 0 && count < size).length).toBeGreaterThan(0)
    expect([replay.position.index, rows()]).toEqual([size + 1, size])
    // To the very place of a checkpoint too.
    await replay.seek({ index: 0 })
    expect(rows()).toBe(0)
    await replay.seek({ index: 20_000 })
    await replay.step(-1)
    expect([replay.position.index, rows()]).toEqual([19_999, 19_999])
  })
})

test('closed, it holds nothing, and refuses by promise', async () => {
  const replay = replayOf({ recording: await recordingOf(TOPICS, seconds(300)), pipeline: counting })
  await replay.seek({ index: 300 })
  expect(replay.outputs()).toHaveLength(300)
  await replay.close()
  expect([replay.outputs(), replay.checkpoints, replay.stateEntries('totals')]).toEqual([
    [],
    { count: 0, bytes: 0 },
    [],
  ])
  await expect(replay.seek({ index: 0 })).rejects.toMatchObject({ code: 'BAD_STATE' })
})
