import { describe, expect, test } from '@jest/globals'
import { matchPattern, type Pattern, pattern, type StreamRecord } from 'tidemark'
import { matchers, runMarbles } from 'tidemark/testing'
import { expectDrawn } from '../testing/docstring.js'

expect.extend(matchers)

type Letter = StreamRecord<string, string>

const isA = (r: Letter) => r.value === 'a'
const isB = (r: Letter) => 'bcd'.includes(r.value)
const isX = (r: Letter) => r.value === 'x'
const spelled = (matched: object) =>
  Object.values(matched).map((one) => (Array.isArray(one) ? one.map((r) => r.value) : one.value))

describe('its diagram', () => {
  const source = 'a-x-b-c-a-d---|'
  const values = Object.fromEntries([
    ...['a', 'b', 'c', 'd', 'x'].map((value) => [value, ['ann', value]]),
    ['m', { key: 'ann', value: ['a', 'b'] }],
    ['n', { key: 'ann', value: ['a', 'd'] }],
    ['p', { key: 'ann', value: ['a', ['b', 'c']] }],
  ])

  test.each<[string, Pattern<Letter, any>, string]>([
    ["pattern('a', isA).followedBy('b', isB)", pattern('a', isA).followedBy('b', isB), '----m-----n---|'],
    ["pattern('a', isA).next('b', isB)", pattern('a', isA).next('b', isB), '----------n---|'],
    [
      "pattern('a', isA).followedBy('b', isB, { times: 2 })",
      pattern('a', isA).followedBy('b', isB, { times: 2 }),
      '------p-------|',
    ],
    [
      "pattern('a', isA).notFollowedBy('x', isX).followedBy('b', isB)",
      pattern('a', isA).notFollowedBy('x', isX).followedBy('b', isB),
      '----------n---|',
    ],
  ])('%s', async (text, given, out) => {
    expectDrawn('operators/pattern.ts', `${'in'.padEnd(63)} ${source}`, `${text.padEnd(63)} ${out}`)
    await runMarbles({
      source,
      out,
      values,
      pipeline: (s) => s.pipe(matchPattern(given.within('1s'), { select: spelled })),
    })
  })
})
