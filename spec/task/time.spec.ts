import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { from, map, merge, type Observable } from 'rxjs'
import {
  aggregate,
  collect,
  count,
  local,
  mapValues,
  process,
  record,
  rollingAggregate,
  type StreamRecord,
  shared,
  streamTableJoin,
  toTable,
  tumblingWindow,
  withWatermark,
} from 'tidemark'
import { runMarbles } from 'tidemark/testing'

type Given = readonly { readonly key: string; readonly time: number }[]

const given: fc.Arbitrary<Given> = fc.array(
  fc.record({ key: fc.constantFrom('a', 'b', 'c'), time: fc.integer({ min: 0, max: 80 }) }),
  { maxLength: 30 },
)
const pass: any = mapValues((v: unknown) => v)
const size = fc.integer({ min: 1, max: 20 })

/** Numbered records, with a watermark behind which none of them stays. */
function onTime(records: Given): Observable<StreamRecord<string, number>> {
  const disorder = records.reduce(
    ([newest, most], { time }) => [Math.max(newest, time), Math.max(most, newest - time)] as const,
    [0, 0] as readonly [number, number],
  )[1]
  return from(records.map(({ key, time }, i) => record(key, i, time))).pipe(
    withWatermark({ maxOutOfOrderness: disorder }),
    shared(),
  )
}

function valuesOf(stream: Observable<any>): number[] {
  const values: number[] = []
  let failure: unknown
  local(stream).subscribe({
    next: (r) => values.push(...r.value.flat(9)),
    error: (error) => {
      failure = error
    },
  })
  if (failure !== undefined) throw failure
  return values.sort((a, b) => a - b)
}

const lists =
  (sizeMs: number, graceMs = 0) =>
  (stream: Observable<any>) =>
    stream.pipe(tumblingWindow(sizeMs, { grace: graceMs }), aggregate(collect(), { emit: 'close' })) as Observable<any>

describe('each operator has its own time', () => {
  test('a chain of windows loses nothing, whatever their sizes', () => {
    fc.assert(
      fc.property(given, size, size, size, fc.nat(9), (records, one, two, three, grace) => {
        const chain = onTime(records).pipe(lists(one, grace), lists(two), lists(three))
        expect(valuesOf(chain)).toEqual(records.map((_, i) => i))
      }),
      { seed: 1, numRuns: 300 },
    )
  })

  test('a stream meets its own windows again, and nothing is late', () => {
    fc.assert(
      fc.property(given, size, size, (records, one, two) => {
        const source = onTime(records)
        const both = merge(source.pipe(lists(one)), source.pipe(mapValues((v) => [v]))).pipe(lists(two))
        expect(valuesOf(both)).toEqual(records.flatMap((_, i) => [i, i]))
      }),
      { seed: 2, numRuns: 300 },
    )
  })

  test('without a watermark a diamond counts each record twice: no copy makes the other late', () => {
    fc.assert(
      fc.property(given, size, (records, sizeMs) => {
        const sorted = [...records].sort((a, b) => a.time - b.time)
        const source = from(sorted.map(({ key, time }, i) => record(key, i, time))).pipe(shared())
        const both = merge(source, source.pipe(mapValues((v) => v))).pipe(lists(sizeMs))
        expect(valuesOf(both)).toEqual(sorted.flatMap((_, i) => [i, i]))
      }),
      { seed: 3, numRuns: 200 },
    )
  })

  test('a stream joined with its own count gets the count that includes the record, in whichever order they are built', () => {
    const joined = (isCountFirst: boolean) => {
      const source = from(['a', 'b', 'a', 'a'].map((key, i) => record(key, i, i))).pipe(shared())
      const counts = toTable('counts', source.pipe(aggregate(count())))
      const join = source.pipe(streamTableJoin(counts, (_value, n) => n))
      const others = counts.changes() as Observable<any>
      const results: unknown[] = []
      local(isCountFirst ? merge(others, join) : merge(join, others)).subscribe((r) => {
        if (!('previous' in r)) results.push(r.value)
      })
      return results
    }
    expect(joined(false)).toEqual([1, 1, 2, 3])
    expect(joined(true)).toEqual([1, 1, 2, 3])
  })

  test('results come out before the records that follow see the new time', async () => {
    // a@30 closes [10, 20) of the first, whose result reaches the second before that one's time is 30 - 10.
    await runMarbles({
      source: 'a@1-a@10-a@30-|',
      out: '   ---------(xy)-(z|)',
      values: {
        a: ['k', 1],
        x: { value: [[1]], window: { start: 0, end: 10 } },
        y: { value: [[1]], window: { start: 10, end: 20 } },
        z: { value: [[1]], window: { start: 30, end: 40 } },
      },
      pipeline: (s) => s.pipe(withWatermark({ maxOutOfOrderness: 0 }), lists(10), lists(10)),
    })
  })
})

describe('a timestamp that a plain map has made', () => {
  const windowed: any = (stream: any) => stream.pipe(tumblingWindow(10), aggregate(count(), { emit: 'close' }))
  const rolled: any = rollingAggregate(10, count())
  const processed: any = process(({ emit }) => ({ record: emit }))

  test.each([
    ['NaN, before a window', Number.NaN, windowed],
    ['negative, before a window', -1, windowed],
    ['infinite, before a window', Number.POSITIVE_INFINITY, windowed],
    ['undefined, before a rolling aggregate', undefined, rolled],
    ['NaN, before a processor', Number.NaN, processed],
  ])('%s: BAD_TIMESTAMP', (_, timestamp, operator) => {
    for (const declared of [pass, withWatermark({ maxOutOfOrderness: 0 })] as any[]) {
      const errors: unknown[] = []
      from([record('k', 1, 1), record('k', 2, 2)])
        .pipe(
          declared,
          pass,
          map((r: any) => (r.value === 2 ? { ...r, timestamp } : r)),
          operator,
        )
        .subscribe({ error: (error) => errors.push(error.code) })
      expect(errors).toEqual(['BAD_TIMESTAMP'])
    }
  })
})
