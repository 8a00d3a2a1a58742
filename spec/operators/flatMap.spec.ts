import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { from, take } from 'rxjs'
import {
  aggregate,
  collect,
  count,
  flatMap,
  json,
  keyBy,
  record,
  type StreamRecord,
  selectKey,
  toTopic,
  tumblingWindow,
} from 'tidemark'
import { matchers, operatorLaws, runMarbles, testApp } from 'tidemark/testing'
import { expectDrawn } from '../testing/docstring.js'

expect.extend(matchers)

type Items = StreamRecord<string, any[]>

const ofItems = (r: StreamRecord<any, any>) => r.value.map((item: unknown) => ({ ...r, value: item }))

test('its diagram', async () => {
  const [source, out] = ['a-----b--c-|', '(xy)-----z-|']
  expectDrawn(
    'operators/flatMap.ts',
    `in                ${source}`,
    `flatMap(ofItems)  ${out}`,
    'ofItems = (r) => r.value.map((item) => ({ ...r, value: item }))',
  )
  await runMarbles({
    source,
    out,
    values: { a: ['ann', [1, 2]], b: ['bob', []], c: ['bob', [3]], x: ['ann', 1], y: ['ann', 2], z: ['bob', 3] },
    pipeline: (s) => s.pipe(flatMap(ofItems)),
  })
})

describe('laws', () => {
  const input = [3, 1, 2, 7, 5].map((time, i) => record(['ann', 'bob'][i % 2] as string, [i, -i].slice(i % 3), time))
  for (const law of operatorLaws(() => flatMap(ofItems), input)) test(law.name, law.run)
})

const errorOf = (recordsOf: (r: any) => any) => {
  const errors: unknown[] = []
  from([record('a', 'text', 5, { topic: 't', offset: 2 })])
    .pipe(flatMap(recordsOf))
    .subscribe({ error: (error) => errors.push(error) })
  return errors
}

describe('edges', () => {
  const window = { start: 0, end: 10 }
  test.each([
    { name: 'an empty source', source: '|', out: '|' },
    { name: 'an error', source: 'a--#', out: '(x)#' },
    { name: 'timestamps stay', source: 'a@9|', out: 'x@9|' },
    { name: 'null keys pass', source: 'n|', out: 'm|' },
    { name: 'the window of a result stays', source: 'w|', out: 'v|' },
  ])('$name', async ({ source, out }) => {
    const values = {
      a: ['ann', [1]],
      n: [null, [1]],
      w: { key: 'ann', value: [1], window, final: true },
      x: ['ann', 1],
      m: [null, 1],
      v: { key: 'ann', value: 1, window, final: true },
    } as const
    await runMarbles({ source, out, values, pipeline: (s) => s.pipe(flatMap(ofItems)) })
  })

  test('anything that can be iterated; other keys and timestamps', () => {
    const seen: unknown[] = []
    from([record('a', 2, 5)])
      .pipe(
        flatMap(function* (r) {
          for (let n = 0; n < r.value; n++) yield record(n, `${r.key}${n}`, r.timestamp + n)
        }),
      )
      .subscribe((r) => seen.push(r))
    expect(seen).toEqualRecords([
      { key: 0, value: 'a0', timestamp: 5 },
      { key: 1, value: 'a1', timestamp: 6 },
    ])
  })

  test('a declared window stays', async () => {
    await runMarbles({
      source: 'a----------b|',
      out: '   -----------x(y|)',
      values: {
        a: ['ann', [1, 2]],
        b: ['ann', [3]],
        x: { value: [1, 2], window },
        y: { value: [3], window: { start: 10, end: 20 } },
      },
      pipeline: (s) =>
        s.pipe(
          tumblingWindow(10),
          flatMap((r) => (r.value as number[]).map((value) => record(r.key as string, value, r.timestamp))),
          aggregate(collect(), { emit: 'close' }),
        ),
    })
  })

  test.each([Number.NaN, -1, Number.POSITIVE_INFINITY, undefined])(
    'a timestamp of %s is BAD_TIMESTAMP',
    (timestamp) => {
      const place = { operator: 'flatMap', topic: 't', offset: 2, key: 'a' }
      expect(errorOf((r) => [{ ...r, timestamp }])).toMatchObject([{ code: 'BAD_TIMESTAMP', place }])
    },
  )

  test.each<[string, (r: any) => any, string]>([
    ['the letters of a text', (r) => r.value, 'BAD_TIMESTAMP'],
    ['undefined in an array', () => [undefined], 'BAD_TIMESTAMP'],
    ['a promise', async (r) => [r], 'OPERATOR_FAILED'],
    ['nothing', () => undefined, 'OPERATOR_FAILED'],
  ])('%s is no records', (_name, recordsOf, code) => {
    expect(errorOf(recordsOf)).toMatchObject([{ code, place: { operator: 'flatMap', offset: 2 } }])
  })

  test('what came before an error has come out', () => {
    const seen: unknown[] = []
    from([record('a', 1, 5)])
      .pipe(flatMap((r) => [r, { ...r, timestamp: -1 }]))
      .subscribe({ next: (r) => seen.push(r), error: () => {} })
    expect(seen).toHaveLength(1)
  })

  test('an endless iterable stops when nobody listens any more', () => {
    let ended = false
    const seen: unknown[] = []
    from([record('a', 1, 5)])
      .pipe(
        flatMap(function* (r) {
          try {
            for (;;) yield r
          } finally {
            ended = true
          }
        }),
        take(3),
      )
      .subscribe((r) => seen.push(r))
    expect([seen.length, ended]).toEqual([3, true])
  })
})

describe('in an app', () => {
  const open = (recordsOf: (r: Items) => StreamRecord<any, any>[], between: any[], before: any[] = []) =>
    testApp(
      (app) => {
        const pipe = [...before, flatMap(recordsOf), ...between, toTopic('out', { key: json<any>() })]
        app.run(
          'out',
          pipe.reduce((stream, step) => step(stream), app.stream<any[]>('in', { value: json() }) as any),
        )
      },
      { topics: { in: 2, out: { partitions: 1, key: json() } } },
    )
  const counts = aggregate(count(), { name: 'counts' })
  const rekey = (r: Items) => [record([r.key], 1, r.timestamp)]
  const given = { key: 'k', value: [], timestamp: 1, partition: 1 }

  test.each<{
    name: string
    recordsOf: (r: Items) => StreamRecord<any, any>[]
    before?: any[]
    between: any[]
    out: unknown[]
  }>([
    {
      name: 'the same key, equal by value',
      recordsOf: (r) => [r, record(`${r.key}`, 1, 1)],
      between: [counts],
      out: ['k', 'k'],
    },
    {
      name: 'the same array',
      recordsOf: (r) => [r, record([...r.key], 1, 1)],
      before: [selectKey((r: any) => [r.key], { partitioned: true })],
      between: [counts],
      out: [['k'], ['k']],
    },
    {
      name: 'a null key, which state by key drops',
      recordsOf: (r) => [record(null, 1, 1), r],
      between: [counts],
      out: ['k'],
    },
    {
      name: 'a new key before keyBy',
      recordsOf: rekey,
      between: [keyBy((r: any) => r.key, { key: json() }), counts],
      out: [['k']],
    },
    {
      name: 'a new key that is said to be in place',
      recordsOf: rekey,
      between: [selectKey((r: any) => r.key, { partitioned: true }), counts],
      out: [['k']],
    },
    { name: 'a new key with no state behind it', recordsOf: rekey, between: [], out: [['k']] },
  ])('fine: $name', async ({ recordsOf, before, between, out }) => {
    const t = await open(recordsOf, between, before)
    await t.send('in', given)
    await t.settle()
    expect(t.errors).toEqual([])
    expect((await t.records('out')).map((r) => r.key)).toEqual(out)
    await t.stop()
  })

  test('a new key before state by key is KEY_CHANGED, with the place', async () => {
    const t = await open(rekey, [counts])
    await t.send('in', given)
    const place = { operator: 'flatMap', topic: 'in', partition: 1, offset: 0, key: 'k' }
    const message = expect.stringContaining('counts')
    await expect(t.settle()).rejects.toMatchObject({ code: 'KEY_CHANGED', place, message })
    await t.stop()
  })

  test('a key where there was none is a new one', async () => {
    const t = await open((r) => [record('k', 1, r.timestamp)], [counts])
    await t.send('in', { value: [], timestamp: 1 })
    await expect(t.settle()).rejects.toMatchObject({ code: 'KEY_CHANGED' })
    await t.stop()
  })
})

test('against recomputing: all that is made, in order', () => {
  const given = fc.array(fc.array(fc.record({ key: fc.string(), time: fc.nat(20), value: fc.nat() })), {
    maxLength: 20,
  })
  fc.assert(
    fc.property(given, (lists) => {
      const seen: unknown[] = []
      from(lists.map((list, i) => record('k', list, i)))
        .pipe(flatMap((r) => new Set(r.value.map(({ key, value, time }) => record(key, value, time)))))
        .subscribe((r) => seen.push(r))
      const expected = lists.flat().map(({ key, value, time }) => ({ key, value, timestamp: time }))
      expect(seen).toEqualRecords(expected)
    }),
    { seed: 52, numRuns: 100 },
  )
})
