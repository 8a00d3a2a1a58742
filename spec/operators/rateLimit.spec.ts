import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { Subject } from 'rxjs'
import {
  aggregate,
  collect,
  json,
  local,
  memory,
  peek,
  rateLimit,
  record,
  type StreamRecord,
  toTopic,
  tumblingWindow,
  withWatermark,
} from 'tidemark'
import { matchers, operatorLaws, runMarbles, testApp, testClock } from 'tidemark/testing'
import { expectDrawn } from '../testing/docstring.js'

expect.extend(matchers)

const values = {
  a: ['ann', 1],
  b: ['bob', 2],
  c: ['ann', 3],
  d: ['bob', 4],
  e: ['ann', 5],
  n: [null, null],
} as const

test('its diagram', async () => {
  const [source, out] = ['abcd-----------e-|', 'ab--------cd--------(e|)']
  expectDrawn(
    'operators/rateLimit.ts',
    "rateLimit({ records: 2, per: '10ms' })     a column is 1 ms",
    `in   ${source}`,
    `out  ${out}`,
  )
  await runMarbles({
    source: `${source}---`,
    out,
    values,
    pipeline: (s) => s.pipe(rateLimit({ records: 2, per: '10ms' })),
  })
})

describe('laws', () => {
  const input = [3, 1, 2, 7, 5].map((time, i) => record([['ann'], ['bob', 1]][i % 2] as any, i, time))
  const limits = { 'none wait': 100, 'some wait': 3 }
  // A clock that stands still: what has to wait waits.
  describe.each(Object.entries(limits))('%s', (_name, records) => {
    const operator = () => (source: any) =>
      local(rateLimit<StreamRecord<any, any>>({ records, per: '1h' })(source), { clock: testClock() })
    // Faults take wall-clock time, and when records have passed by that clock is this one's state.
    const laws = operatorLaws(operator, input, { isAsync: true })
    for (const law of laws.filter(({ name }) => !name.includes('rebalances'))) test(law.name, law.run)
  })
  const endless = operatorLaws(() => rateLimit({ records: 3, per: '1h' }), input)
  for (const law of endless.filter(({ name }) => name.startsWith('stops'))) test(law.name, law.run)
})

describe('edges', () => {
  test.each([
    { name: 'an empty source', source: '|', out: '|' },
    { name: 'an error does not wait', source: 'abc-#', out: 'ab--#' },
    {
      name: 'completion waits, at its pace',
      source: '(abcde)|------------------------',
      out: '(ab)------(cd)------(e|)',
    },
    { name: 'null keys and values wait like others; timestamps stay', source: 'ab@9n@3--------', out: 'ab@9------n@3' },
    {
      name: 'the span counts from each record that has passed',
      source: 'a-------bc-d-----e----',
      out: 'a-------b-c-------d-e',
    },
    { name: 'after a pause all may pass at once', source: 'ab 20ms (cde)-----------', out: 'ab 20ms (cd)------e' },
  ])('$name', async ({ source, out }) => {
    await runMarbles({ source, out, values, pipeline: (s) => s.pipe(rateLimit({ records: 2, per: 10 })) })
  })

  test('what follows sees no time beyond what waits: no record is late for a window', async () => {
    // c's time would close the window of b, which still waits.
    await runMarbles({
      source: 'a@1-b@5-c@22-------------|',
      out: '   ----------(wx)-----------(y|)',
      values: {
        ...values,
        w: { value: [1], window: { start: 0, end: 10 } },
        x: { value: [2], window: { start: 0, end: 10 } },
        y: { value: [3], window: { start: 20, end: 30 } },
      },
      pipeline: (s) =>
        s.pipe(
          withWatermark({ maxOutOfOrderness: 0 }),
          rateLimit({ records: 1, per: 10 }),
          tumblingWindow(10),
          aggregate(collect(), { emit: 'close' }),
        ),
    })
  })

  test('a clock that is put back makes nobody wait longer than a span', async () => {
    const clock = testClock(10_000)
    let shift = 0
    const shifted = { ...clock, now: () => clock.now() + shift }
    const source = new Subject<StreamRecord<string, number>>()
    const seen: number[] = []
    local(source.pipe(rateLimit({ records: 1, per: 10 })), { clock: shifted }).subscribe((r) => seen.push(r.value))
    source.next(record('k', 1, 1))
    shift = -5_000
    source.next(record('k', 2, 1))
    source.next(record('k', 3, 1))
    await clock.advance(9)
    expect(seen).toEqual([1])
    await clock.advance(1)
    expect(seen).toEqual([1, 2])
    await clock.advance(10)
    expect(seen).toEqual([1, 2, 3])
  })

  test('nothing overtakes what waits, though it might pass before the timer has fired', async () => {
    const clock = testClock()
    let shift = 0
    const busy = { ...clock, now: () => clock.now() + shift }
    const source = new Subject<StreamRecord<string, number>>()
    const seen: number[] = []
    local(source.pipe(rateLimit({ records: 1, per: 10 })), { clock: busy }).subscribe((r) => seen.push(r.value))
    for (const value of [1, 2]) source.next(record('k', value, 1))
    shift = 10
    source.next(record('k', 3, 1))
    expect(seen).toEqual([1])
    await clock.advance(20)
    expect(seen).toEqual([1, 2, 3])
  })

  test('nothing passes after the end, and no timer is left', async () => {
    const clock = testClock()
    const timers = new Set<() => void>()
    const after = clock.after.bind(clock)
    clock.after = (ms, callback) => {
      const cancel = after(ms, callback)
      timers.add(cancel)
      return () => {
        timers.delete(cancel)
        cancel()
      }
    }
    const source = new Subject<StreamRecord<string, number>>()
    const seen: number[] = []
    const limited = local(source.pipe(rateLimit({ records: 1, per: 10 })), { clock })
    const subscription = limited.subscribe((r) => seen.push(r.value))
    for (const value of [1, 2]) source.next(record('k', value, 1))
    expect(timers.size).toBe(1)
    subscription.unsubscribe()
    expect(timers.size).toBe(0)
    await clock.advance('1m')
    expect(seen).toEqual([1])
  })

  test('many that may pass at once do so in pieces, in order', async () => {
    const clock = testClock()
    const source = new Subject<StreamRecord<string, number>>()
    const seen: number[] = []
    local(source.pipe(rateLimit({ records: 500, per: 10 })), { clock }).subscribe((r) => seen.push(r.value))
    const numbers = Array.from({ length: 1_000 }, (_, n) => n)
    for (const value of numbers) source.next(record('k', value, 1))
    expect(seen).toEqual(numbers.slice(0, 500))
    let pieces = 0
    const soon = clock.soon
    clock.soon = (callback) => {
      pieces++
      soon(callback)
    }
    await clock.advance(10)
    expect(seen).toEqual(numbers)
    expect(pieces).toBeGreaterThan(5)
  })

  test.each([
    { records: 0 },
    { records: 1.5 },
    { maxWaiting: 0 },
    { maxWaiting: Number.NaN },
    { per: 0 },
    { per: '1 year' as never },
  ])('%j is refused', (options) => {
    const refused = expect.objectContaining({ code: expect.stringMatching(/BAD_OPTION|BAD_DURATION/) })
    expect(() => rateLimit({ records: 1, per: 10, ...options })).toThrow(refused)
  })
})

/** An app with a limit, and what has passed, in all its lives: values, and the wall clock then. */
async function limitedApp(options: { records: number; maxWaiting?: number }, store = memory()) {
  const clock = testClock()
  const passed: [value: number, at: number][] = []
  const t = await testApp(
    (app) => {
      const stream = app.stream<number>('in', { value: json() })
      const limited = stream.pipe(
        rateLimit({ per: 100, name: 'limit', ...options }),
        peek((r) => passed.push([r.value, clock.now()])),
      )
      app.run('out', limited.pipe(toTopic('out')))
    },
    { topics: { in: 1, out: 1 }, clock, store },
  )
  return { t, passed }
}

const numbered = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, n) => ({ key: 'k', value: from + n, timestamp: from + n }))

describe('in an app', () => {
  test('reading stops when enough wait, and goes on', async () => {
    const { t, passed } = await limitedApp({ records: 2, maxWaiting: 3 })
    await t.send('in', numbered(0, 10))
    await t.settle()
    expect(t.app.stats().tasks[0]).toMatchObject({ records: 5, buffered: 5 })
    expect((await t.state('limit')).map(({ value }) => (value as any).rest.value)).toEqual([2, 3, 4])
    await t.advance(100)
    expect(t.app.stats().tasks[0]).toMatchObject({ records: 7, buffered: 3 })
    await t.advance(300)
    expect(passed.map(([value]) => value)).toEqual(numbered(0, 10).map(({ value }) => value))
    expect(await t.state('limit')).toEqual([])
    await t.stop()
  })

  test('a restart goes on: what waits waits on, what has passed counts, and a full line stops the reading', async () => {
    const { t, passed } = await limitedApp({ records: 2, maxWaiting: 2 })
    await t.send('in', numbered(0, 5))
    await t.settle()
    await t.crash()
    await t.clock.advance(60)
    await t.restart()
    expect(t.app.stats().tasks[0]?.records).toBe(0)
    await t.advance(39)
    expect(passed).toHaveLength(2)
    await t.advance(1)
    await t.advance(100)
    expect(passed).toEqual([
      [0, 0],
      [1, 0],
      [2, 100],
      [3, 100],
      [4, 200],
    ])
    expect(await t.records('out')).toEqualRecords(numbered(0, 5))
    expect(t.errors).toEqual([])
    await t.stop()
  })

  test.each([
    [1, [100, 200, 300]],
    [4, [0, 0, 100]],
  ])('a limit that is %d after a restart, and was 2', async (records, times) => {
    const options = { records: 2 }
    const { t, passed } = await limitedApp(options)
    await t.send('in', numbered(0, 2))
    await t.settle()
    await t.crash()
    options.records = records
    await t.restart()
    await t.send('in', numbered(2, 5))
    await t.advance(300)
    expect(passed.slice(2).map(([, at]) => at)).toEqual(times)
    expect(await t.state('limit.passed')).toHaveLength(records)
    await t.stop()
  })
})

test('a restart keeps the order of a long line, in whatever order the store has it', async () => {
  const store = memory()
  const load = store.load.bind(store)
  store.load = (scope, each) => load(scope, (entries) => each([...entries].reverse()))
  const { t } = await limitedApp({ records: 1, maxWaiting: 20 }, store)
  await t.send('in', numbered(0, 15))
  await t.settle()
  await t.crash()
  await t.restart()
  await t.advance('1m')
  expect(await t.records('out')).toEqualRecords(numbered(0, 15))
  await t.stop()
})

/** Each passes when it is there, after the one before, and a span after the one so many places before. */
function passesOf(arrivals: readonly number[], records: number, per: number): number[] {
  const passes: number[] = []
  for (const [i, arrival] of arrivals.entries())
    passes.push(Math.max(arrival, passes[i - 1] ?? 0, (passes[i - records] ?? -per) + per))
  return passes
}

describe('against recomputing', () => {
  const steps = fc.array(fc.record({ wait: fc.nat(150), count: fc.nat(4) }), { maxLength: 12 })
  const arrivalsOf = (given: readonly { wait: number; count: number }[]) => {
    let now = 0
    return given.flatMap(({ wait, count }) => {
      now += wait
      return Array.from({ length: count }, () => now)
    })
  }

  test('when each record passes, and that no span holds more', async () => {
    await fc.assert(
      fc.asyncProperty(steps, fc.integer({ min: 1, max: 5 }), async (given, records) => {
        const clock = testClock()
        const source = new Subject<StreamRecord<string, number>>()
        const passed: number[] = []
        local(source.pipe(rateLimit({ records, per: 100 })), { clock }).subscribe((r) =>
          passed.push(r.value, clock.now()),
        )
        let next = 0
        for (const { wait, count } of given) {
          await clock.advance(wait)
          for (let i = 0; i < count; i++) source.next(record('k', next++, 1))
        }
        await clock.advance('1m')
        const expected = passesOf(arrivalsOf(given), records, 100)
        expect(passed).toEqual(expected.flatMap((at, i) => [i, at]))
        for (const at of expected)
          expect(expected.filter((other) => other >= at && other < at + 100).length).toBeLessThanOrEqual(records)
      }),
      { seed: 67, numRuns: 100 },
    )
  })

  test('in an app that crashes behind a checkpoint, nobody can tell', async () => {
    await fc.assert(
      fc.asyncProperty(steps, fc.integer({ min: 1, max: 5 }), fc.nat(11), async (given, records, crashAt) => {
        const { t, passed } = await limitedApp({ records, maxWaiting: 3 })
        let next = 0
        for (const [i, { wait, count }] of given.entries()) {
          await t.advance(wait)
          await t.send('in', numbered(next, next + count))
          next += count
          await t.settle()
          if (i !== crashAt) continue
          await t.crash()
          await t.restart()
        }
        await t.advance('1m')
        expect(passed).toEqual(passesOf(arrivalsOf(given), records, 100).map((at, i) => [i, at]))
        expect(await t.records('out')).toEqualRecords(numbered(0, next))
        expect(t.errors).toEqual([])
        await t.stop()
      }),
      { seed: 68, numRuns: 40 },
    )
  })

  test('in an app that crashes anywhere, every record is written once, in order', async () => {
    await fc.assert(
      fc.asyncProperty(steps, fc.integer({ min: 1, max: 5 }), fc.nat(11), async (given, records, crashAt) => {
        const { t } = await limitedApp({ records })
        let next = 0
        for (const [i, { wait, count }] of given.entries()) {
          await t.clock.advance(wait)
          await t.send('in', numbered(next, next + count))
          next += count
          await t.settle({ checkpoint: i % 3 === 0 })
          if (i !== crashAt) continue
          await t.crash()
          await t.restart()
        }
        await t.advance('1m')
        expect(await t.records('out')).toEqualRecords(numbered(0, next))
        expect(t.errors).toEqual([])
        await t.stop()
      }),
      { seed: 69, numRuns: 40 },
    )
  })
})
