import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { filter, map, merge, type Observable, of, Subject } from 'rxjs'
import {
  aggregate,
  collect,
  count,
  local,
  mapValues,
  record,
  type StreamRecord,
  sideOutput,
  tumblingWindow,
  type WindowedRecord,
  withWatermark,
} from 'tidemark'
import { operatorLaws, runMarbles } from 'tidemark/testing'
import { expectDrawn } from '../testing/docstring.js'

const pass: any = mapValues((v: unknown) => v)
const none = { maxOutOfOrderness: 0 }

test('its diagram', async () => {
  const source = 'a@1--b@9--c@4--d@16--|'
  expectDrawn('operators/withWatermark.ts', `in         ${source}`, 'watermark  -4   4         11')
  await runMarbles({
    source,
    out: source,
    watermarks: { 0: -4, 5: 4, 15: 11 },
    values: { a: ['a', 1], b: ['b', 1], c: ['c', 1], d: ['d', 1] },
    pipeline: (s) => s.pipe(withWatermark({ maxOutOfOrderness: '5ms' })),
  })
  await runMarbles({
    source,
    out: '---------------x-----(y|)',
    values: {
      ...Object.fromEntries(['a', 'b', 'c', 'd'].map((symbol) => [symbol, ['k', 1]])),
      x: { value: 3, window: { start: 0, end: 10 } },
      y: { value: 1, window: { start: 10, end: 20 } },
    },
    pipeline: (s) =>
      s.pipe(withWatermark({ maxOutOfOrderness: '5ms' }), tumblingWindow(10), aggregate(count(), { emit: 'close' })),
  })
})

test('its diagram: records that carry the watermark', async () => {
  const source = 'a@1--b@9--c@4--d@16--|'
  expectDrawn('operators/withWatermark.ts', `in         ${source}`, 'watermark       9         20')
  const values = {
    a: ['k', {}],
    b: ['k', { mark: 9 }],
    c: ['k', { mark: 5 }],
    d: ['k', { mark: 20 }],
    x: { value: 3, window: { start: 0, end: 10 } },
    y: { value: 1, window: { start: 10, end: 20 } },
  } as const
  const marked = () =>
    withWatermark<any>({ punctuated: ({ value }: StreamRecord<string, { mark?: number }>) => value.mark })
  await runMarbles({ source, out: source, watermarks: { 5: 9, 15: 20 }, values, pipeline: (s) => s.pipe(marked()) })
  await runMarbles({
    source,
    out: '---------------(xy)--|',
    values,
    pipeline: (s) => s.pipe(marked(), tumblingWindow(10), aggregate(count(), { emit: 'close' })),
  })
})

describe('laws', () => {
  const input = [1, 9, 4, 16, 30].map((time, i) => record('ann', i, time))
  const chain = () => (s: any) =>
    s.pipe(withWatermark({ maxOutOfOrderness: 3 }), tumblingWindow(10), aggregate(count(), { emit: 'close' }))
  for (const law of operatorLaws(chain, input)) test(law.name, law.run)

  // The value is the watermark: it says more than the record's own time, and less.
  const marks = [0, 12, 4, 11, 30, 0].map((mark, i) => record(i % 2 === 0 ? 'ann' : 'bob', mark, 4 * i))
  const punctuated = () => (s: any) =>
    s.pipe(
      withWatermark({ punctuated: ({ value }: StreamRecord<string, number>) => value || null }),
      tumblingWindow(10),
      aggregate(count(), { emit: 'close' }),
    )
  for (const law of operatorLaws(punctuated, marks)) test(`punctuated: ${law.name}`, law.run)
})

describe('edges', () => {
  const values = { a: ['k', 1], b: ['k', 2] } as const

  test('the first of our operators measures it, before any filter behind it, wherever it is declared', async () => {
    await runMarbles({
      source: 'a-b@20',
      watermarks: { 0: -5, 2: 15 },
      values,
      pipeline: (s) =>
        s.pipe(
          pass,
          filter((r: any) => r.value === 1),
          withWatermark({ maxOutOfOrderness: 5 }),
        ),
    })
  })

  test('the minimum over several sources: a silent one holds back time', async () => {
    await runMarbles({
      source: { one: 'a@10-a@20-', two: '-------b@5-b@50' },
      watermarks: { 7: 5, 11: 20 },
      values,
      pipeline: ({ one, two }) =>
        merge(one.pipe(withWatermark(none), pass), two.pipe(withWatermark(none), pass)).pipe(pass),
    })
  })

  test('an idle source holds back nobody; when all are idle, time goes on with the wall clock', async () => {
    const options = { maxOutOfOrderness: 0, idleTimeout: 10 }
    const run = await runMarbles({
      source: { one: 'a@100- 50ms -', two: 'b@1--b@2-b@3-b@4-b@5-b@6 30ms -' },
      values,
      pipeline: ({ one, two }) =>
        merge(one.pipe(withWatermark(options), pass), two.pipe(withWatermark(options), pass)).pipe(pass),
    })
    const times = Object.entries(run.watermarks).map(([at, reached]) => [Number(at), reached] as const)
    // While two is busy, it alone counts.
    expect(times.filter(([at]) => at < 29).every(([, reached]) => reached <= 6)).toBe(true)
    const last = times[times.length - 1] as readonly [number, number]
    expect(last[1]).toBeGreaterThan(6)
  })

  test('a bound and records that carry one: the greater of the two counts', async () => {
    await runMarbles({
      source: 'a@10-b@20-c@21-d@30-',
      watermarks: { 0: 5, 5: 18, 15: 25 },
      values: { a: ['k', null], b: ['k', 18], c: ['k', 7], d: ['k', 7] },
      pipeline: (s) =>
        s.pipe(
          withWatermark({ maxOutOfOrderness: 5, punctuated: (r: StreamRecord<string, number | null>) => r.value }),
          pass,
        ),
    })
  })

  test('a record is on time whatever it says of what follows; the next one is late by it', async () => {
    await runMarbles({
      source: 'a@5-b@5-|',
      out: '   (x)-----|',
      late: '  ----b@5-',
      values: { a: ['k', 10], b: ['k', 10], x: { value: 1, window: { start: 0, end: 10 } } },
      pipeline: (s, { late }) =>
        s.pipe(
          withWatermark({ punctuated: (r: StreamRecord<string, number>) => r.value }),
          tumblingWindow(10, { late }),
          aggregate(count(), { emit: 'close' }),
        ),
    })
  })

  test.each([
    ['what is no time: BAD_TIMESTAMP', () => Number.NaN, 'BAD_TIMESTAMP'],
    ['infinity: BAD_TIMESTAMP', () => Number.POSITIVE_INFINITY, 'BAD_TIMESTAMP'],
    [
      'a function that throws: OPERATOR_FAILED',
      () => {
        throw new Error('of the user')
      },
      'OPERATOR_FAILED',
    ],
  ])('a record that says %s', (_, punctuated, code) => {
    const came: unknown[] = []
    of(record('a', 1, 1))
      .pipe(withWatermark({ punctuated }), pass)
      .subscribe({ next: (r: any) => came.push(r.value), error: (error) => came.push(error.code) })
    expect(came).toEqual([1, code])
  })

  test('neither a bound nor records that carry one: BAD_OPTION', () => {
    expect(() => withWatermark({ idleTimeout: 5 } as never)).toThrow(expect.objectContaining({ code: 'BAD_OPTION' }))
  })

  test.each([
    ['two different ones over one source', { maxOutOfOrderness: 5 }, { maxOutOfOrderness: 6 }],
    ['two different idle time-outs', { maxOutOfOrderness: 5 }, { maxOutOfOrderness: 5, idleTimeout: 1 }],
    ['two functions', { punctuated: () => 1 }, { punctuated: () => 1 }],
    [
      'two groups',
      { maxOutOfOrderness: 5, alignment: { maxDrift: 5 } },
      { maxOutOfOrderness: 5, alignment: { maxDrift: 5, group: 'x' } },
    ],
  ])('%s: TWO_WATERMARKS', (_name, one, two) => {
    const source: Observable<any> = of(record('a', 1, 1)).pipe(pass)
    const codes: unknown[] = []
    local(merge(source.pipe(withWatermark(one as any)), source.pipe(withWatermark(two as any))).pipe(pass)).subscribe({
      error: (error) => codes.push(error.code),
    })
    expect(codes).toEqual(['TWO_WATERMARKS'])
  })

  test('after an operator that uses time: TWO_WATERMARKS', () => {
    const codes: unknown[] = []
    of(record('a', 1, 1))
      .pipe(aggregate(count()), withWatermark({ maxOutOfOrderness: 5 }), aggregate(count()))
      .subscribe({ error: (error) => codes.push(error.code) })
    expect(codes).toEqual(['TWO_WATERMARKS'])
  })

  test('beside a source without one: WATERMARK_MISSING, with the name of what lacks it', () => {
    const errors: { code: string; message: string }[] = []
    const marked = of(record('a', 1, 1)).pipe(withWatermark({ maxOutOfOrderness: 5 }), pass)
    const bare = of(record('a', 1, 1)).pipe(aggregate(count(), { name: 'bare' }))
    local(merge(marked, bare).pipe(pass)).subscribe({ error: (error) => errors.push(error) })
    expect(errors).toMatchObject([{ code: 'WATERMARK_MISSING', message: expect.stringContaining('bare') }])
  })

  test.each([{ maxOutOfOrderness: -1 }, { maxOutOfOrderness: '5 s' }, { maxOutOfOrderness: 1, idleTimeout: 0 }])(
    '%j is refused',
    (options) => {
      expect(() => withWatermark(options as never)).toThrow(expect.objectContaining({ code: 'BAD_DURATION' }))
    },
  )
})

describe('against recomputing time from all records', () => {
  type Marked = StreamRecord<string, { index: number; mark: number | undefined }>
  interface Given {
    readonly source: number
    readonly time: number
    /** The watermark that it carries, if it does. */
    readonly mark: number | undefined
  }
  const givens = fc.array(
    fc.record({
      source: fc.nat(2),
      time: fc.nat(60),
      mark: fc.option(fc.nat(70), { nil: undefined, freq: 2 }),
    }),
    { maxLength: 30 },
  )
  const declared = fc.record({ bound: fc.option(fc.nat(12), { nil: undefined }), isPunctuated: fc.boolean() })
  const declarations = fc
    .array(declared, { minLength: 1, maxLength: 3 })
    .filter((all) => all.every(({ bound, isPunctuated }) => bound !== undefined || isPunctuated))
  const sizes = fc.integer({ min: 1, max: 20 })

  test('over one to three sources: windows close, and records are late, by the slowest that has not ended', () => {
    fc.assert(
      fc.property(givens, declarations, sizes, (all, sources, size) => {
        const given = all.filter(({ source }) => source < sources.length)

        /** The time of a source by what it has read; at `isPending`, the last record has yet to be handled, and its mark says nothing. */
        const timeOf = (source: number, come: readonly Given[], isPending: boolean) => {
          const { bound, isPunctuated } = sources[source] as (typeof sources)[number]
          const own = come.filter((one) => one.source === source)
          const marks = isPending && come.at(-1)?.source === source ? own.slice(0, -1) : own
          return Math.max(
            ...(bound === undefined ? [] : own.map(({ time }) => time - bound)),
            ...(isPunctuated ? marks.map(({ mark = Number.NEGATIVE_INFINITY }) => mark) : []),
          )
        }
        const timeAfter = (come: readonly Given[], { ended = 0, isPending = false } = {}) =>
          Math.min(...[...sources.keys()].slice(ended).map((source) => timeOf(source, come, isPending)))

        const late: number[] = []
        const open = new Map<number, number[]>()
        /** Takes out the windows that end by then. */
        const close = (time: number) => {
          const closing = [...open].filter(([start]) => start + size <= time).sort(([a], [b]) => a - b)
          for (const [start] of closing) open.delete(start)
          return closing
        }
        const expected = given.map(({ time }, index) => {
          const come = given.slice(0, index + 1)
          const start = time - (time % size)
          if (start + size <= timeAfter(come, { isPending: true })) late.push(index)
          else open.set(start, [...(open.get(start) ?? []), index])
          return close(timeAfter(come))
        })
        // Then they end, one after the other.
        for (const ended of sources.keys()) expected.push(close(timeAfter(given, { ended: ended + 1 })))

        const inputs = sources.map(
          () => new Subject<StreamRecord<string, { index: number; mark: number | undefined }>>(),
        )
        const timed = inputs.map((input, source) => {
          const { bound, isPunctuated } = sources[source] as (typeof sources)[number]
          const options = {
            ...(bound !== undefined && { maxOutOfOrderness: bound }),
            ...(isPunctuated && { punctuated: ({ value }: StreamRecord<any, { mark?: number }>) => value.mark }),
          }
          return input.pipe(withWatermark(options as { maxOutOfOrderness: number }), pass) as Observable<Marked>
        })
        const tooLate = sideOutput<StreamRecord<string, { index: number }>>('late')
        const results = merge(...timed).pipe(
          tumblingWindow(size, { late: tooLate }),
          aggregate(collect(), { emit: 'close' }),
        ) as Observable<WindowedRecord<string, readonly { index: number }[]>>
        const steps: [start: number, indices: number[]][][] = []
        const foundLate: number[] = []
        let step: [start: number, indices: number[]][] = []
        local(
          merge(
            results.pipe(
              map(
                ({ window, value }) =>
                  () =>
                    step.push([window.start, value.map(({ index }) => index)]),
              ),
            ),
            tooLate.pipe(
              map(
                ({ value }) =>
                  () =>
                    foundLate.push(value.index),
              ),
            ),
          ),
        ).subscribe((take) => take())
        const then = (happen: () => void) => {
          step = []
          happen()
          steps.push(step)
        }
        for (const [index, { source, time, mark }] of given.entries())
          then(() => inputs[source]?.next(record('k', { index, mark }, time)))
        for (const input of inputs) then(() => input.complete())

        expect(steps).toEqual(expected)
        expect(foundLate).toEqual(late)
      }),
      { seed: 53, numRuns: 400 },
    )
  })
})
