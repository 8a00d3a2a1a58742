import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { concat, from, merge, NEVER, Subject, take } from 'rxjs'
import {
  aggregate,
  collect,
  json,
  local,
  mapValues,
  record,
  type StreamRecord,
  split,
  toTopic,
  tumblingWindow,
  withWatermark,
} from 'tidemark'
import { matchers, operatorLaws, runMarbles, testApp } from 'tidemark/testing'
import { expectDrawn } from '../testing/docstring.js'

expect.extend(matchers)

type Orders = StreamRecord<any, number>

const branches = {
  small: (r: Orders) => r.value < 10,
  big: (r: Orders) => r.value >= 100,
}

describe('its diagram', () => {
  const source = 'a--b--c--|'
  test.each([
    ['small', 'a--------|', 'r => r.value < 10'],
    ['big', '---b-----|', 'r => r.value >= 100'],
    ['rest', '------c--|', ''],
  ] as const)('%s', async (name, out, drawn) => {
    expectDrawn('operators/split.ts', `in     ${source}`, `${name.padEnd(6)} ${out}${drawn && `     ${drawn}`}`)
    const values = { a: ['ann', 5], b: ['bob', 500], c: ['ann', 50] } as const
    await runMarbles({ source, out, values, pipeline: (s) => split(s, branches)[name] })
    await runMarbles({ source, out, values, pipeline: (s) => split(branches)(s)[name] })
  })
})

/** All branches in one, each record with the name of the one that it came through. */
const labelled = (source: any) => {
  const { rest, small, big } = split(branches)(source)
  const label = (name: string) => mapValues<Orders, string>((value) => `${name} ${value}`)
  return merge(rest.pipe(label('rest')), small.pipe(label('small')), big.pipe(label('big')))
}

describe('laws', () => {
  const input = [3, 1, 2, 7].map((time, i) => record(['ann', 'bob'][i % 2] as string, [5, 500, 50, 8][i], time))
  describe('one branch', () => {
    for (const law of operatorLaws(() => (source) => split(branches)(source as any).small, input))
      test(law.name, law.run)
  })
  describe('the rest', () => {
    for (const law of operatorLaws(() => (source) => split(branches)(source as any).rest, input))
      test(law.name, law.run)
  })
  describe('all of them', () => {
    // `local` takes in all that comes while it subscribes, so it can't stop an endless source.
    const whole = () => (source: any) => local(labelled(source))
    for (const law of operatorLaws(whole, input, { isAsync: true })) test(law.name, law.run)
  })
})

describe('edges', () => {
  const values = {
    a: ['ann', 5],
    b: ['bob', 500],
    c: ['ann', 50],
    n: [null, 5],
    x: ['ann', 'small 5'],
    y: ['bob', 'big 500'],
    z: ['ann', 'rest 50'],
    m: [null, 'small 5'],
  } as const
  test.each([
    { name: 'an empty source completes all', source: '|', out: '|' },
    { name: 'an error reaches all', source: 'a#', out: 'x#' },
    { name: 'records keep their order through several branches', source: 'abcba|', out: 'xyzyx|' },
    { name: 'null keys pass, and timestamps stay', source: 'n@9--a@3|', out: 'm@9--x@3|' },
  ])('$name', async ({ source, out }) => {
    await runMarbles({ source, out, values, pipeline: labelled })
  })

  test('the first predicate that is true, in the order written; those after it are not asked', () => {
    const asked: string[] = []
    const ask = (name: string, answer: boolean) => () => {
      asked.push(name)
      return answer
    }
    const seen: unknown[] = []
    const { third, first, second, fourth, rest } = split(from([record('k', 1, 1)]), {
      third: ask('third', false),
      second: ask('second', true),
      first: ask('first', true),
      fourth: ask('fourth', true),
    })
    const label = (name: string) => mapValues(() => name)
    local(
      merge(
        first.pipe(label('first')),
        second.pipe(label('second')),
        third.pipe(label('third')),
        fourth.pipe(label('fourth')),
        rest.pipe(label('rest')),
      ),
    ).subscribe((r) => seen.push(r.value))
    expect(asked).toEqual(['third', 'second'])
    expect(seen).toEqual(['second'])
  })

  test('a branch that is subscribed behind records it should have had is LATE_BRANCH', () => {
    const codes: unknown[] = []
    const source = concat(from([record('k', 5, 1), record('k', 500, 1)]), NEVER)
    const { small, big } = split(source, branches)
    const observer = { next: (r: Orders) => codes.push(r.value), error: (error: any) => codes.push(error.code) }
    const whole = merge(small, big).pipe(mapValues((value: number) => value))
    whole.subscribe(observer)
    local(whole).subscribe(observer)
    expect(codes).toEqual([5, 'LATE_BRANCH', 5, 500])
  })

  test('without branches all is rest', async () => {
    await runMarbles({ source: 'ab|', out: 'ab|', values, pipeline: (s) => split(s, {}).rest })
  })

  test('a branch that is left by its reader leaves the others running', () => {
    const source = new Subject<Orders>()
    const { small, big } = split(source, branches)
    const seen: number[] = []
    local(merge(small.pipe(take(1)), big)).subscribe((r) => seen.push(r.value))
    for (const value of [1, 2, 100, 3, 200]) source.next(record('k', value, 1))
    expect(seen).toEqual([1, 100, 200])
  })

  test('a branch has the time and the window of the stream', async () => {
    await runMarbles({
      source: 'a@1-b@12-a@25|',
      out: '   ---------x---(y|)',
      values: {
        a: ['ann', 5],
        b: ['bob', 500],
        x: { key: 'ann', value: [5], window: { start: 0, end: 10 } },
        y: { key: 'ann', value: [5], window: { start: 20, end: 30 } },
      },
      pipeline: (s) =>
        split(s.pipe(withWatermark({ maxOutOfOrderness: 5 }), tumblingWindow(10)), branches).small.pipe(
          aggregate(collect(), { emit: 'close' }),
        ),
    })
  })

  test.each(['rest', '7'])('a branch called %s is BAD_OPTION, at once', (name) => {
    const refused = expect.objectContaining({ code: 'BAD_OPTION', message: expect.stringContaining(`called ${name}`) })
    expect(() => split({ [name]: () => true })).toThrow(refused)
    expect(() => split(from([record('k', 1, 1)]), { [name]: () => true })).toThrow(refused)
  })

  test('what a predicate throws comes out of every branch, with the place', () => {
    const { small, rest } = split(from([record('k', 1, 1, { topic: 't', offset: 4 })]), {
      small: () => {
        throw new RangeError('boom')
      },
    })
    const errors: unknown[] = []
    for (const stream of [small, rest]) stream.subscribe({ error: (error) => errors.push(error) })
    const failed = { code: 'OPERATOR_FAILED', place: { operator: 'split', topic: 't', offset: 4 } }
    expect(errors).toMatchObject([failed, failed])
  })
})

describe('in an app', () => {
  test('pipelines of their own, one sub-topology, each predicate asked once; what nobody reads is gone, uncounted', async () => {
    let asked = 0
    const t = await testApp(
      (app) => {
        const { small, big, huge } = split(app.stream<number>('in', { value: json() }), {
          small: (r) => {
            asked++
            return r.value < 10
          },
          huge: (r) => r.value >= 1000,
          big: (r) => r.value >= 100,
        })
        app.run('small', small.pipe(toTopic('small')))
        app.run('big', big.pipe(toTopic('big')))
        app.run('both', merge(small, huge).pipe(toTopic('both')))
        return app.describe()
      },
      { topics: { in: 2, small: 1, big: 1, both: 1 } },
    )
    await t.send(
      'in',
      [5, 500, 50, 5000, 7].map((value, i) => ({ key: 'k', value, timestamp: i })),
    )
    await t.settle()
    expect(t.result.match(/sub-topology/g)).toHaveLength(1)
    expect(t.result).toContain('split.small  <- split\n')
    expect(await t.records('small')).toEqualRecords([{ value: 5 }, { value: 7 }])
    expect(await t.records('big')).toEqualRecords([{ value: 500 }])
    expect(await t.records('both')).toEqualRecords([{ value: 5 }, { value: 5000 }, { value: 7 }])
    expect(asked).toBe(5)
    expect(t.app.stats().tasks.flatMap((task) => task.dropped)).toEqual([])
    await t.stop()
  })
})

test('against recomputing: any predicates, any of the branches', () => {
  const given = fc.record({
    values: fc.array(fc.nat(20), { maxLength: 20 }),
    // A branch takes what lies in its interval.
    intervals: fc.uniqueArray(fc.tuple(fc.nat(20), fc.nat(10)), { maxLength: 4 }),
  })
  fc.assert(
    fc.property(given, ({ values, intervals }) => {
      const streams = split(
        from(values.map((value, i) => record('k', value, i))),
        Object.fromEntries(
          intervals.map(([from, length], i) => [`b${i}`, (r: Orders) => r.value >= from && r.value < from + length]),
        ),
      ) as Record<string, any>
      const seen: [string, number][] = []
      const names = [...intervals.map((_, i) => `b${i}`), 'rest']
      local(merge(...names.map((name) => streams[name].pipe(mapValues((v) => [name, v]))))).subscribe((r: any) =>
        seen.push(r.value),
      )
      const branchOf = (value: number) => {
        const at = intervals.findIndex(([from, length]) => from <= value && value < from + length)
        return at < 0 ? 'rest' : `b${at}`
      }
      expect(seen).toEqual(values.map((value) => [branchOf(value), value]))
    }),
    { seed: 53, numRuns: 200 },
  )
})
