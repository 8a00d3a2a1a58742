import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { type Observable, of } from 'rxjs'
import {
  type App,
  aggregate,
  broadcast,
  count,
  customWindow,
  type GlobalTable,
  globalTable,
  json,
  local,
  type Rules,
  record,
  type StreamRecord,
  toTopic,
  withWatermark,
} from 'tidemark'
import { matchers, operatorLaws, runMarbles, testApp } from 'tidemark/testing'
import { expectDrawn } from '../testing/docstring.js'

expect.extend(matchers)

const values = {
  X: ['low', 1],
  Y: ['high', 5],
  D: ['low', null],
  a: ['ann', 7],
  b: ['bob', 3],
  n: [null, null],
  x: ['ann', 'low'],
  y: ['ann', 'low'],
  z: ['ann', 'high'],
  w: ['bob', 'low'],
  m: [null, 'low'],
} as const

const exceeded = (r: StreamRecord<any, any>, rules: Rules<any, any>) =>
  [...rules].filter(([, limit]) => r.value === null || r.value > limit).map(([name]) => name)

const run = (rules: string, stream: string, out: string) =>
  runMarbles({
    source: { rules, stream },
    out,
    values,
    pipeline: ({ rules, stream }) => stream.pipe(broadcast(globalTable(rules), exceeded)),
  })

test('its diagram', async () => {
  const [rules, stream, out] = ['X-----Y--------|', '--a------a---b-|', '--x------(yz)w-|']
  expectDrawn('joins/broadcast.ts', `rules   ${rules}`, `stream  ${stream}`, `out     ${out}`)
  await run(rules, stream, out)
})

describe('laws', () => {
  const input = [record('a', 1, 1), record('b', 9, 2), record('a', 4, 3)]
  const shown = broadcast(globalTable(of(record('low', 1, 0), record('high', 5, 0))), exceeded)
  for (const law of operatorLaws(() => (source) => local(shown(source)), input, { isAsync: true })) {
    // In an app global tables come from topics: crashes are below.
    if (!law.name.includes('crash')) test(law.name, law.run)
  }
})

describe('edges', () => {
  test.each([
    { name: 'no rules, no results', rules: '|', stream: 'a|', out: '-|' },
    { name: 'a rule that was taken back counts no more', rules: 'XD', stream: '--a', out: '-' },
    { name: 'null keys and values are shown', rules: 'X', stream: '-n', out: '-m' },
    { name: 'a rule gives nothing by itself', rules: 'XYX', stream: '-', out: '-' },
    { name: 'the timestamp is the record’s', rules: 'X@90', stream: '-a@3', out: '-x@3' },
    { name: 'an error of the rules', rules: 'X#', stream: '--a', out: '-#' },
    { name: 'an error of the stream', rules: 'X', stream: '-a#', out: '-x#' },
  ])('$name', async ({ rules, stream, out }) => run(rules, stream, out))

  test('only the stream has a time: rules need no watermark, and the stream’s goes on behind it', async () => {
    await runMarbles({
      source: { rules: 'X', stream: '-a@25-a@15-a@31' },
      out: '                         -----------(l)',
      values: { ...values, l: { key: 'ann', value: 1, window: { start: 10, end: 21 } } },
      pipeline: ({ rules, stream }) =>
        stream.pipe(
          withWatermark({ maxOutOfOrderness: 10 }),
          broadcast(globalTable(rules), exceeded),
          customWindow({ windowsOf: (t) => [t < 21 ? { start: 10, end: 21 } : { start: 21, end: 32 }], maxSize: 11 }),
          aggregate(count(), { emit: 'close' }),
        ) as Observable<unknown>,
    })
  })

  test('what apply throws says where', async () => {
    await expect(
      runMarbles({
        source: { rules: 'X', stream: '-a' },
        values,
        out: '-#',
        pipeline: ({ rules, stream }) =>
          stream.pipe(
            broadcast(globalTable(rules), () => {
              throw new Error('no')
            }),
          ),
      }),
    ).resolves.toMatchObject({ error: { code: 'OPERATOR_FAILED', place: { operator: 'broadcast', key: 'ann' } } })
  })
})

describe('in an app', () => {
  const pipeline = (app: App) => {
    const rules: GlobalTable<string, number> = app.globalTable<number>('rules', { value: json() })
    const stream = app.stream<number>('in', { value: json() })
    app.run('out', stream.pipe(broadcast(rules, exceeded), toTopic('out')))
  }
  const given = fc.array(
    fc.record({
      isRule: fc.boolean(),
      key: fc.constantFrom('a', 'b', 'c', 'd', 'e'),
      value: fc.integer({ min: 0, max: 9 }),
      isGone: fc.boolean(),
    }),
    { maxLength: 30 },
  )

  test('every task has every rule, against recomputing, with crashes', async () => {
    await fc.assert(
      fc.asyncProperty(given, fc.nat(30), async (steps, crashAt) => {
        const t = await testApp(pipeline, { topics: { rules: 3, in: 4, out: 1 } })
        const limits = new Map<string, number>()
        const expected: string[] = []
        for (const [i, { isRule, key, value, isGone }] of steps.entries()) {
          if (isRule) {
            await t.send('rules', { key, value: isGone ? null : value, timestamp: i })
            if (isGone) limits.delete(key)
            else limits.set(key, value)
          } else {
            await t.send('in', { key, value, timestamp: i })
            for (const [name, limit] of limits) if (value > limit) expected.push(`${i} ${key} ${name}`)
          }
          await t.settle()
          if (i === crashAt) {
            await t.crash()
            await t.restart()
          }
        }
        const out = (await t.records('out')).map((r) => `${r.timestamp} ${r.key} ${r.value}`)
        expect(out.sort()).toEqual(expected.sort())
        expect(t.errors).toEqual([])
        await t.stop()
      }),
      { seed: 17, numRuns: 40 },
    )
  })
})
