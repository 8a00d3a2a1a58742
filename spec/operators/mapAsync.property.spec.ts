import { expect, test } from '@jest/globals'
import fc from 'fast-check'
import { type Observable, Subject } from 'rxjs'
import {
  aggregate,
  collect,
  local,
  type MapAsyncOptions,
  mapAsync,
  record,
  type StreamRecord,
  tumblingWindow,
  type WindowedRecord,
  withWatermark,
} from 'tidemark'
import { testClock } from 'tidemark/testing'

/** A record that comes at `at` (ms of the clock), and whose call takes `ms` and fails so often before it succeeds. */
interface Given {
  readonly key: string
  readonly at: number
  readonly ms: number
  readonly failures: number
}

const RETRIES = 2
const BACKOFF = 3

const givens = fc
  .array(
    fc.record({
      key: fc.constantFrom('a', 'b', 'c'),
      pause: fc.nat(4),
      ms: fc.integer({ min: 1, max: 9 }),
      failures: fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(RETRIES) }),
    }),
    { maxLength: 14 },
  )
  .map((all) => {
    let at = 0
    return all.map(({ pause, ...rest }): Given => {
      at += pause
      return { ...rest, at }
    })
  })
const concurrencies = fc.integer({ min: 1, max: 4 })
const orders = fc.constantFrom('input', 'key', 'none') satisfies fc.Arbitrary<MapAsyncOptions['order']>

/**
 * When each call is over: of those that may begin, the one that can first does, of several the first input. A slot is free once fewer than
 * `concurrency` of the calls begun before are under way, pauses between attempts included.
 */
function schedule(all: readonly Given[], concurrency: number, isByKey: boolean): number[] {
  const over: number[] = []
  const waiting = new Set(all.keys())
  while (waiting.size > 0) {
    const ends = Object.values(over).sort((a, b) => b - a)
    const freeAt = ends[concurrency - 1] ?? 0
    const starts = [...waiting].map((index) => {
      const { key, at } = all[index] as Given
      const before = isByKey ? all.slice(0, index).flatMap((other, i) => (other.key === key ? [i] : [])) : []
      const keyFreeAt = Math.max(0, ...before.map((i) => over[i] ?? Number.POSITIVE_INFINITY))
      return { index, start: Math.max(at, freeAt, keyFreeAt) }
    })
    const [next] = starts.sort((a, b) => a.start - b.start || a.index - b.index)
    const { index, start } = next as (typeof starts)[number]
    const { ms, failures } = all[index] as Given
    over[index] = start + (failures + 1) * ms + BACKOFF * (2 ** failures - 1)
    waiting.delete(index)
  }
  return over
}

/** When each result is out. */
function outAt(all: readonly Given[], concurrency: number, order: MapAsyncOptions['order']): number[] {
  const over = schedule(all, concurrency, order === 'key')
  return order === 'input' ? over.map((_, index) => Math.max(...over.slice(0, index + 1))) : over
}

/** Lets records come at their times, and then ends. @returns what came out, with the time of the clock, and the most calls at a time */
async function play<T>(
  all: readonly Given[],
  { concurrency, order }: MapAsyncOptions,
  timestampOf: (given: Given) => number,
  pipeline: (
    calls: (source: Observable<StreamRecord<string, number>>) => Observable<StreamRecord<string, number>>,
  ) => (source: Observable<StreamRecord<string, number>>) => Observable<T>,
) {
  const clock = testClock()
  const source = new Subject<StreamRecord<string, number>>()
  const attempts = all.map(() => 0)
  const out: { at: number; result: T }[] = []
  const ends: unknown[] = []
  let running = 0
  let most = 0
  const call = async ({ value }: StreamRecord<string, number>) => {
    const { ms, failures } = all[value] as Given
    most = Math.max(most, ++running)
    await clock.sleep(ms)
    running--
    const attempt = (attempts[value] as number) + 1
    attempts[value] = attempt
    if (attempt <= failures) throw new Error('not yet')
    return value
  }
  const calls = mapAsync<StreamRecord<string, number>, number>(call, {
    retries: RETRIES,
    backoff: BACKOFF,
    ...(concurrency !== undefined && { concurrency }),
    ...(order !== undefined && { order }),
  })
  local(pipeline((s) => s.pipe(calls))(source), { clock }).subscribe({
    next: (result) => out.push({ at: clock.now(), result }),
    error: (error) => ends.push(error),
    complete: () => ends.push(clock.now()),
  })
  for (const [index, given] of all.entries()) {
    await clock.advance(given.at - clock.now())
    source.next(record(given.key, index, timestampOf(given)))
    await clock.settle()
  }
  source.complete()
  await clock.advance(1_000)
  return { out, ends, most }
}

test('each result comes when the calls before it let it, against a schedule made from the whole input', async () => {
  await fc.assert(
    fc.asyncProperty(givens, concurrencies, orders, async (all, concurrency, order) => {
      const { out, ends, most } = await play(
        all,
        { concurrency, order },
        ({ at }) => 50 - at,
        (calls) => calls,
      )
      const times = outAt(all, concurrency, order)
      const byTime = (a: { at: number; value: number }, b: { at: number; value: number }) =>
        a.at - b.at || a.value - b.value
      const expected = all.map(({ key, at }, value) => ({ key, value, timestamp: 50 - at, at: times[value] as number }))
      const came = out.map(({ at, result: { key, value, timestamp } }) => ({ key, value, timestamp, at }))
      // Which of two calls that are over in one ms comes first is nobody's business, unless the order is the input's.
      expect(order === 'input' ? came : came.sort(byTime)).toEqual(expected.sort(byTime))
      expect(ends).toEqual([Math.max(0, ...all.map(({ at }) => at), ...times)])
      expect(most).toBeLessThanOrEqual(concurrency)
    }),
    { seed: 41, numRuns: 150 },
  )
})

test('windows behind it lose no record, and close as soon as no call holds them open', async () => {
  const sizes = fc.integer({ min: 1, max: 8 })
  await fc.assert(
    fc.asyncProperty(givens, concurrencies, orders, sizes, async (all, concurrency, order, size) => {
      const { out } = await play(
        all,
        { concurrency, order },
        ({ at }) => at,
        (calls) => (source) =>
          calls(source.pipe(withWatermark({ maxOutOfOrderness: 0 }))).pipe(
            tumblingWindow(size),
            aggregate(collect(), { emit: 'close' }),
          ) as Observable<WindowedRecord<string, number[]>>,
      )
      const times = outAt(all, concurrency, order)
      const lastAt = Math.max(0, ...all.map(({ at }) => at), ...times)
      /** The time behind: the newest record's, but no further than what has come and isn't out yet. */
      const timeAt = (now: number) => {
        const come = all.filter(({ at }) => at <= now)
        const inFlight = come.filter((_, index) => (times[index] as number) > now)
        return Math.min(Math.max(...come.map(({ at }) => at)), ...inFlight.map(({ at }) => at))
      }
      const windows = new Map<string, { key: string; start: number; value: number[]; at: number }>()
      for (const [value, { key, at }] of all.entries()) {
        const start = at - (at % size)
        let closesAt = lastAt
        for (let now = lastAt; now >= at; now--) if (timeAt(now) >= start + size) closesAt = now
        const known = windows.get(`${start} ${key}`)?.value ?? []
        windows.set(`${start} ${key}`, { key, start, value: [...known, value], at: closesAt })
      }
      const byWindow = (a: { key: string; start: number }, b: { key: string; start: number }) =>
        a.start - b.start || (a.key < b.key ? -1 : 1)
      const came = out.map(({ at, result: { key, value, window } }) => ({
        key,
        start: window.start,
        value: [...value].sort((a, b) => a - b),
        at,
      }))
      expect(came.sort(byWindow)).toEqual([...windows.values()].sort(byWindow))
    }),
    { seed: 42, numRuns: 150 },
  )
})
