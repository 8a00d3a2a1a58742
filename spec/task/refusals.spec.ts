import { describe, expect, test } from '@jest/globals'
import {
  BehaviorSubject,
  concat,
  concatMap,
  delay,
  EMPTY,
  from,
  map,
  merge,
  mergeMap,
  type Observable,
  of,
  retry,
  Subject,
  share,
  switchMap,
  take,
} from 'rxjs'
import {
  aggregate,
  count,
  json,
  local,
  mapValues,
  record,
  type StreamRecord,
  shared,
  sum,
  tumblingWindow,
  withWatermark,
} from 'tidemark'
import { runMarbles, testApp } from 'tidemark/testing'

type Stream = Observable<StreamRecord<string, number>>

const one = record('a', 1, 1)
const counts = () => aggregate<any, any, number>(count())

/** The codes of what a pipeline errors with. */
function codesOf(pipeline: Observable<unknown>): unknown[] {
  const codes: unknown[] = []
  try {
    pipeline.subscribe({ error: (error) => codes.push(error.code ?? error) })
  } catch (error) {
    codes.push((error as { code: string }).code)
  }
  return codes
}

describe('outside an app', () => {
  describe('LATE_BRANCH: a second branch after records have passed', () => {
    const branches = (source: Stream) => {
      const valid = source.pipe(shared())
      return merge(valid.pipe(mapValues((v) => v)), valid.pipe(mapValues((v) => -v)))
    }
    const summed = (source: Stream) => branches(source).pipe(aggregate(sum(({ value }) => value)))
    const valuesOf = (pipeline: Observable<any>) => {
      const values: unknown[] = []
      pipeline.subscribe({ next: ({ value }) => values.push(value), error: ({ code }) => values.push(code) })
      return values
    }

    test('in one pipeline; local() makes them wait', () => {
      expect(valuesOf(summed(new BehaviorSubject(one)))).toEqual([1, 'LATE_BRANCH'])
      expect(valuesOf(local(summed(new BehaviorSubject(one))))).toEqual([1, 0])
    })

    test('not where nothing is missed: each a pipeline of its own, or a source that is subscribed anew', () => {
      expect(valuesOf(branches(new BehaviorSubject(one)))).toEqual([1, -1])
      expect(valuesOf(branches(of(one)))).toEqual([1, -1])
      expect(valuesOf(summed(of(one)))).toEqual([1, 0])
    })
  })

  test('ASYNC_GAP: a record that comes outside of its dispatch', async () => {
    const source = new Subject<StreamRecord<string, number>>()
    const codes = codesOf(
      source.pipe(
        shared(),
        mergeMap((r) => Promise.resolve(r)),
        counts(),
      ),
    )
    source.next(one)
    await runMarbles({ source: '-', values: {}, pipeline: (s) => s })
    expect(codes).toEqual(['ASYNC_GAP'])
  })

  test('a record from elsewhere before the first of our operators is a dispatch of its own', async () => {
    await runMarbles({
      source: 'a----|',
      out: '   x----|',
      values: { a: ['k', 1], x: ['k', 1] },
      pipeline: (s) =>
        s.pipe(
          concatMap(async (r) => r),
          counts(),
        ),
    })
  })

  test('NOT_PLANNED: an operator that is subscribed while a record is handled', () => {
    const inner = () => of(one).pipe(counts())
    const refused = of(one).pipe(shared(), switchMap(inner), counts())
    expect(codesOf(refused)).toEqual(['NOT_PLANNED'])
  })

  test.each<[string, string, (s: Stream) => Observable<unknown>]>([
    ['TWO_WINDOWS', 'a window over a window', (s) => s.pipe(tumblingWindow(1), tumblingWindow(2), counts())],
    [
      'TWO_WINDOWS',
      'with one of our operators between',
      (s) =>
        s.pipe(
          tumblingWindow(1),
          mapValues((v) => v),
          tumblingWindow(2),
          counts(),
        ),
    ],
    [
      'LOST_WINDOW',
      'streams of different windows',
      (s) => merge(s.pipe(tumblingWindow(1)), s.pipe(tumblingWindow(2))).pipe(counts()),
    ],
    ['LOST_WINDOW', 'a windowed and a plain stream', (s) => merge(s.pipe(tumblingWindow(1)), s).pipe(counts())],
    [
      'TWO_WATERMARKS',
      'two over one stream',
      (s) => s.pipe(withWatermark({ maxOutOfOrderness: 1 }), withWatermark({ maxOutOfOrderness: 2 }), counts()),
    ],
    [
      'WATERMARK_MISSING',
      'one beside a stream without',
      (s) => merge(s.pipe(withWatermark({ maxOutOfOrderness: 1 }), shared()), of(one).pipe(shared())).pipe(counts()),
    ],
  ])('%s: %s', (code, _name, pipeline) => {
    expect(codesOf(local(pipeline(of(one).pipe(shared()))))).toEqual([code])
  })

  test('BAD_TIMESTAMP: what is no time', () => {
    for (const timestamp of [-1, Number.NaN, Number.POSITIVE_INFINITY, undefined])
      expect(codesOf(of({ ...one, timestamp } as never).pipe(counts()))).toEqual(['BAD_TIMESTAMP'])
  })
})

describe('in an app', () => {
  const run = (pipeline: (s: Stream) => Observable<unknown>) =>
    testApp((app) => app.run('x', pipeline(app.stream<number>('in', { value: json() }))), { topics: { in: 2 } })

  test.each<[string, string, (s: Stream) => Observable<unknown>]>([
    ['FOREIGN_TASK', 'share, which serves one task only', (s) => s.pipe(share(), counts())],
    ['NOT_PLANNED', 'the second source of concat', (s) => concat(of(one), s).pipe(take(0))],
    ['NOT_PLANNED', 'a plain source that emits', (s) => merge(from([one]), s).pipe(counts())],
    ['NOT_PLANNED', 'a stream in no pipeline', () => EMPTY],
  ])('at planning %s: %s', async (code, _name, pipeline) => {
    await expect(run(pipeline)).rejects.toMatchObject({ code })
  })

  test.each<[string, string, (s: Stream) => Observable<unknown>]>([
    ['ASYNC_GAP', 'delay', (s) => s.pipe(delay(0), counts())],
    [
      'NOT_PLANNED',
      'an operator within switchMap',
      (s) =>
        s.pipe(
          switchMap(() => of(one).pipe(counts())),
          counts(),
        ),
    ],
    ['PIPELINE_COMPLETED', 'take', (s) => s.pipe(counts(), take(1))],
    ['DETACHED', 'take before one of ours', (s) => s.pipe(take(1), counts())],
    [
      'DETACHED',
      'retry',
      (s) =>
        s.pipe(
          map(() => {
            throw new Error('boom')
          }),
          retry(),
          counts(),
        ),
    ],
  ])('while it runs %s: %s', async (code, _name, pipeline) => {
    const t = await run(pipeline)
    await t.send('in', { key: 'a', value: 1, timestamp: 1 })
    await expect(t.settle()).rejects.toMatchObject({ code })
    await new Promise((resolve) => setTimeout(resolve, 1))
    await t.settle()
    expect(t.errors).toHaveLength(1)
    await t.stop()
  })
})
