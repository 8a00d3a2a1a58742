import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { from, type Observable, Subject } from 'rxjs'
import {
  aggregate,
  count,
  json,
  local,
  NO_HEADERS,
  record,
  type StreamRecord,
  tableFilter,
  toStream,
  toTable,
  toTopic,
  tumblingWindow,
} from 'tidemark'
import { matchers, operatorLaws, runMarbles, testApp } from 'tidemark/testing'
import { expectDrawn } from '../testing/docstring.js'

expect.extend(matchers)

type Rows = Observable<StreamRecord<string, number | null>>

const values = {
  a: ['ann', 1],
  b: ['bob', 5],
  c: ['ann', 2],
  d: ['ann', null],
  p: { key: 'ann', value: 1, previous: null },
  q: { key: 'bob', value: 5, previous: null },
  r: { key: 'ann', value: 2, previous: 1 },
  s: { key: 'ann', value: null, previous: 2 },
} as const

test('its diagram', async () => {
  const [changes, out] = ['p--q--r--s--|', 'a--b--c--d--|']
  expectDrawn('tables/toStream.ts', `changes  ${changes}`, `out      ${out}`)
  await runMarbles({ source: out, out: changes, values, pipeline: (s) => toTable('t', s).changes() })
  await runMarbles({ source: out, out, values, pipeline: (s) => toTable('t', s).pipe(toStream()) })
})

describe('laws', () => {
  const input = [6, 2, null, 7].map((value, i) => record(['ann', 'bob'][i % 2] as string, value, i))
  for (const law of operatorLaws(() => (s: Rows) => toTable('t', s).pipe(toStream()), input)) test(law.name, law.run)
})

describe('edges', () => {
  test.each([
    { name: 'an empty table', source: '|', out: '|' },
    { name: 'an error', source: 'a#', out: 'a#' },
    { name: 'a delete of nothing', source: 'd', out: 'd' },
    { name: 'a late change', source: 'a@9--c@3', out: 'a@9--c@3' },
  ])('$name', async ({ source, out }) => {
    await runMarbles({ source, out, values, pipeline: (s) => toTable('t', s).pipe(toStream()) })
  })

  test('a record is whole, and has no window where rows have none', () => {
    const seen: unknown[] = []
    toTable('t', from([record('ann', 1, 5, { topic: 'in', offset: 3 })]))
      .pipe(toStream())
      .subscribe((r) => seen.push(r))
    expect(seen).toEqual([
      { key: 'ann', value: 1, timestamp: 5, topic: '', partition: 0, offset: 0, headers: NO_HEADERS },
    ])
    expect(seen[0]).not.toHaveProperty('window')
  })

  test.each(['update', 'close'] as const)(
    'rows of windows are windowed records, final where the window has closed: %s',
    (emit) => {
      const source = new Subject<StreamRecord<string, string>>()
      const counts = toTable('t', source.pipe(tumblingWindow(10), aggregate(count(), { emit })))
      const seen: unknown[] = []
      local(
        counts.pipe(
          tableFilter(({ value }) => value > 1),
          toStream(),
        ),
      ).subscribe(({ key, value, timestamp, window, final }) => seen.push([key, value, timestamp, window, final]))
      for (const time of [1, 2, 12]) source.next(record('a', 'x', time))
      expect(seen).toEqual([['a', 2, 2, { start: 0, end: 10 }, emit === 'close']])
    },
  )
})

test('in an app, windows go with the records to the topic', async () => {
  const t = await testApp(
    (app) => {
      const stream = app.stream<number>('in', { value: json() })
      const counts = toTable('counts', stream.pipe(tumblingWindow(10), aggregate(count(), { name: 'counts' })))
      app.run('out', counts.pipe(toStream(), toTopic('out')))
    },
    { topics: { in: 2, out: 2 } },
  )
  await t.send(
    'in',
    [1, 2, 12].map((timestamp) => ({ key: 'a', value: 0, timestamp })),
  )
  await t.settle()
  expect(await t.records('out')).toEqualRecords([
    { key: 'a', value: 1, window: { start: 0, end: 10 } },
    { key: 'a', value: 2, window: { start: 0, end: 10 } },
    { key: 'a', value: 1, window: { start: 10, end: 20 } },
  ])
  await t.stop()
})

test('against the list of upserts: each is a record again, also of a table that knows what was before', () => {
  const given = fc.array(
    fc.record({ key: fc.constantFrom('a', 'b', 'c'), value: fc.option(fc.nat(9), { freq: 3 }), timestamp: fc.nat(40) }),
  )
  fc.assert(
    fc.property(given, fc.constantFrom('named', undefined), (all, name) => {
      const records = all.map(({ key, value, timestamp }) => record(key, value, timestamp))
      const seen: unknown[] = []
      toTable(name, from(records))
        .pipe(toStream())
        .subscribe((r) => seen.push(r))
      expect(seen).toEqual(records)
    }),
    { seed: 66, numRuns: 150 },
  )
})
