import { describe, expect, test } from '@jest/globals'
import { concat, from, merge, NEVER } from 'rxjs'
import {
  json,
  local,
  mapValues,
  matchPattern,
  type Pattern,
  pattern,
  record,
  type StreamRecord,
  sideOutput,
  toTopic,
  tumblingWindow,
  withWatermark,
} from 'tidemark'
import { matchers, operatorLaws, runMarbles, testApp } from 'tidemark/testing'
import { expectDrawn } from '../testing/docstring.js'

expect.extend(matchers)

/** A record whose value begins with a letter: what it is. The rest tells records of one kind apart. */
type Letters = StreamRecord<string, string>

const is = (letters: string) => (r: Letters) => letters.includes(r.value?.[0] ?? '?')
const isA = is('a')
const isB = is('b')

/** The values of a match, steps in order: `a1 b2`, a list as `[b1 b2]`. */
const spelled = (matched: object) =>
  Object.values(matched)
    .map((one) => (Array.isArray(one) ? `[${one.map((r) => r.value).join(' ')}]` : `${one.value}`))
    .join(' ')

const operator = (given: Pattern<any, any>, options: object = {}) =>
  matchPattern(given, { name: 'match', select: spelled, ...options })

describe('its diagram', () => {
  const source = 'a--b-----a-----x-----a-|'
  const found = { m: { key: 'ann', value: 'a b', timestamp: 3 } }
  const a = { key: 'ann', value: 'a' }
  const values = { a: ['ann', 'a'], b: ['ann', 'b'], x: ['bob', 'x'], ...found }

  test('a sequence', async () => {
    const out = '---m-------------------|'
    expectDrawn('operators/matchPattern.ts', `${"pattern('a', isA).followedBy('b', isB).within(5)".padEnd(56)} ${out}`)
    await runMarbles({
      source,
      out,
      values: values as any,
      pipeline: (s) => s.pipe(operator(pattern('a', isA).followedBy('b', isB).within(5))),
    })
  })

  const times = '---------------t-------(u|)'
  const timed = { t: { ...a, timestamp: 14 }, u: { ...a, timestamp: 26 } }

  test('what it times out', async () => {
    expectDrawn('operators/matchPattern.ts', `${'in'.padEnd(56)} ${source}`, `${'  timedOut'.padEnd(56)} ${times}`)
    const run = await runMarbles({
      source,
      late: times.replace('|', ''),
      values: { ...values, t: { key: 'ann', timestamp: 14 }, u: { key: 'ann', timestamp: 26 } } as any,
      pipeline: (s, { late }) => s.pipe(operator(pattern('a', isA).followedBy('b', isB).within(5), { timedOut: late })),
    })
    expect(run.late.map((emission) => spelled(emission.record.value))).toEqual(['a', 'a'])
  })

  test('an absence', async () => {
    expectDrawn(
      'operators/matchPattern.ts',
      `${"pattern('a', isA).notFollowedBy('b', isB, { within: 5 })".padEnd(56)} ${times}`,
    )
    await runMarbles({
      source,
      out: times,
      values: { ...values, ...timed } as any,
      pipeline: (s) => s.pipe(operator(pattern('a', isA).notFollowedBy('b', isB, { within: 5 }))),
    })
  })
})

describe.each([
  ['a sequence', pattern('a', isA).followedBy('b', isB).followedBy('c', is('c')).within(15)],
  [
    'strict, several',
    pattern('a', isA)
      .next('bs', is('bc'), { times: [1, 3] })
      .within(9),
  ],
  ['an absence', pattern('a', isA).followedBy('b', isB).notFollowedBy('c', is('c'), { within: 4 }).within(12)],
  [
    'a comparison',
    pattern('x', isA)
      .followedBy('y', (r: Letters, { x }) => r.value > x.value)
      .within(20),
  ],
] as const)('laws, %s', (_name, given) => {
  const letters = 'aabbabcbcacbaab'
  const input = [...letters].map((letter, i) => record(['ann', 'bob', 'ann'][i % 3] as string, `${letter}${i}`, i * 2))
  describe.each(['noSkip', 'skipPastLast'] as const)('%s', (afterMatch) => {
    for (const law of operatorLaws(() => operator(given, { afterMatch }), input)) test(law.name, law.run)
  })

  // Records out of order, that wait for time.
  const shuffled = input.map((r, i) => ({ ...r, timestamp: Math.max(0, r.timestamp - ((i * 5) % 7)) }))
  const timed = () => (s: any) => s.pipe(withWatermark({ maxOutOfOrderness: 4 }), operator(given))
  describe('with a watermark', () => {
    for (const law of operatorLaws(timed, shuffled)) test(law.name, law.run)
  })
})

/** Records as text: `a1@0 bob/b@5`; the key is ann's unless said otherwise, `-` a null value, and `|` at the end completes. */
function parse(text: string): { records: StreamRecord<any, any>[]; completes: boolean } {
  const tokens = text.split(' ')
  const completes = tokens[tokens.length - 1] === '|'
  const records = (completes ? tokens.slice(0, -1) : tokens).map((token) => {
    const [, key, value, time] = /^(?:(\w+)\/)?(-|\w+)@(\d+)$/.exec(token) as unknown as string[]
    return record(key === 'null' ? null : (key ?? 'ann'), value === '-' ? null : value, Number(time))
  })
  return { records, completes }
}

/** What comes of it, in order: `a1 b1@3`, `bob/a b@7`; and what goes to the side outputs. */
function run(given: Pattern<any, any>, input: string, options: { bound?: number; afterMatch?: string } = {}) {
  const { records, completes } = parse(input)
  const { bound, ...rest } = options
  const [late, timedOut] = [sideOutput<any>('late'), sideOutput<any>('timedOut')]
  const came = { out: [] as string[], late: [] as string[], timedOut: [] as string[] }
  const source = completes ? from(records) : concat(from(records), NEVER)
  const timed = bound === undefined ? source : source.pipe(withWatermark({ maxOutOfOrderness: bound }))
  const to = (name: keyof typeof came) =>
    mapValues((value: any) => ({ name, text: name === 'timedOut' ? spelled(value) : value }))
  const all = merge(
    timed.pipe(operator(given, { late, timedOut, ...rest }), to('out')),
    late.pipe(to('late')),
    timedOut.pipe(to('timedOut')),
  )
  local(all).subscribe(({ key, value: { name, text }, timestamp }) =>
    came[name].push(`${key === 'ann' ? '' : `${key}/`}${text}@${timestamp}`),
  )
  return came
}

describe('edges', () => {
  const isC = is('c')
  const ab = pattern('a', isA).followedBy('b', isB).within(10)
  const skip = { afterMatch: 'skipPastLast' }

  interface Row {
    name: string
    given?: Pattern<any, any>
    input: string
    out: string[]
    late?: string[]
    timedOut?: string[]
    options?: { bound?: number; afterMatch?: string }
  }

  const rows = (all: Row[]) =>
    test.each(all)('$name', ({ given = ab, input, out, late = [], timedOut, options }) => {
      const came = run(given, input, options)
      expect(came.out).toEqual(out)
      expect(came.late).toEqual(late)
      if (timedOut !== undefined) expect(came.timedOut).toEqual(timedOut)
    })

  describe('sequences', () => {
    rows([
      { name: 'one step is a filter', given: pattern('a', isA), input: 'a1@0 b@1 a2@2', out: ['a1@0', 'a2@2'] },
      { name: 'relaxed: the first that satisfies, past others', input: 'a@0 c@2 b1@3 b2@4', out: ['a b1@3'] },
      {
        name: 'strict: nothing of the key in between, though others',
        given: pattern('a', isA).next('b', isB).within(10),
        input: 'a1@0 c@1 b@2 a2@3 bob/c@3 b@4 b@5',
        out: ['a2 b@4'],
      },
      { name: 'keys apart', input: 'a@0 bob/a@1 bob/b@2 b@3', out: ['bob/a b@2', 'a b@3'] },
      {
        name: 'each record that satisfies the first step begins one',
        input: 'a1@0 a2@1 b@2',
        out: ['a1 b@2', 'a2 b@2'],
      },
      {
        name: 'a record may be the last of one and the first of another',
        given: pattern('x', isA).followedBy('y', isA).within(10),
        input: 'a1@0 a2@1 a3@2',
        out: ['a1 a2@1', 'a2 a3@2'],
      },
      {
        name: 'three steps, of which one is strict',
        given: pattern('a', isA).followedBy('b', isB).next('c', isC).within(10),
        input: 'a@0 b1@1 b2@2 c1@3 a@4 c@5 b3@6 c2@7',
        out: ['a b3 c2@7'],
      },
      { name: 'equal timestamps follow one another in the order of arrival', input: 'b1@0 a@0 b2@0', out: ['a b2@0'] },
      { name: 'a null key is dropped', input: 'a@0 null/b@1 b@2', out: ['a b@2'] },
      {
        name: 'a null value is for the predicates',
        given: pattern('a', isA)
          .next('gone', (r) => r.value === null)
          .within(10),
        input: 'a@0 -@1',
        out: ['a null@1'],
      },
      {
        name: 'a predicate sees what has been matched',
        given: pattern('a', isA)
          .followedBy('b', (r, { a }) => r.value[1] === a.value[1])
          .followedBy('c', (r, { a, b }) => r.value === `c${a.timestamp}${b.timestamp}`)
          .within(10),
        input: 'a1@1 b2@2 b1@3 c12@4 c13@5',
        out: ['a1 b1 c13@5'],
      },
    ])
  })

  describe('time limits', () => {
    const steps = pattern('a', isA).followedBy('b', isB, { within: 3 }).followedBy('c', isC, { within: 4 })
    rows([
      { name: 'a match is shorter than within', input: 'a@0 b@9 |', out: ['a b@9'], timedOut: [] },
      { name: 'at within itself it is over', input: 'a@0 b@10', out: [], timedOut: ['a@10'] },
      { name: "a step's limit counts from the record before", given: steps, input: 'a@0 b@2 c@5', out: ['a b c@5'] },
      { name: 'and is over then', given: steps, input: 'a@0 b@2 c@6', out: [], timedOut: ['a b@6'] },
      { name: 'each step has its own', given: steps, input: 'a@0 b@3 c@4', out: [], timedOut: ['a@3'] },
      {
        name: 'that of the whole cuts that of a step',
        given: pattern('a', isA).followedBy('b', isB, { within: 20 }).within(5),
        input: 'a1@0 b@5 a2@6 b@10',
        out: ['a2 b@10'],
        timedOut: ['a1@5'],
      },
      {
        name: 'they pass in order of time, then key',
        input: 'bob/a@2 a1@2 a2@1 zoe/x@20',
        options: { bound: 1 },
        out: [],
        timedOut: ['a2@11', 'a1@12', 'bob/a@12'],
      },
      {
        name: 'of 1 ms: only what has one timestamp',
        given: pattern('a', isA).followedBy('b', isB, { within: 1 }).notFollowedBy('c', isC).within(1),
        input: 'a1@0 b@0 a2@5 b@6 a3@9 b@9 c@9 |',
        out: ['a1 b@1'],
        timedOut: ['a2@6'],
      },
      {
        name: 'of 1 ms, for an absence',
        given: pattern('a', isA).notFollowedBy('b', isB, { within: 1 }),
        input: 'a1@0 b@1 a2@5 b@5 |',
        out: ['a1@1'],
      },
      { name: 'on completion all pass', input: 'a1@0 a2@4 |', out: [], timedOut: ['a1@10', 'a2@14'] },
      {
        name: 'a partial match that was ended is not timed out',
        given: pattern('a', isA).next('b', isB).within(5),
        input: 'a@0 c@1 |',
        out: [],
        timedOut: [],
      },
    ])
  })

  describe('order', () => {
    rows([
      {
        name: 'without a watermark, what is out of order is late',
        input: 'a@5 b1@4 b2@5',
        out: ['a b2@5'],
        late: ['b1@4'],
      },
      { name: "also by another key's record", input: 'a@5 bob/x@9 b@8', out: [], late: ['b@8'] },
      {
        name: 'with one, records are put in order',
        input: 'b2@3 b1@2 a@1 x@9 |',
        options: { bound: 4 },
        out: ['a b1@2'],
      },
      { name: 'they wait until time has reached them', input: 'a@1 b@2 x@5', options: { bound: 4 }, out: [] },
      { name: 'and no longer', input: 'a@1 b@2 x@6', options: { bound: 4 }, out: ['a b@2'] },
      {
        name: 'one that time has reached already comes at once',
        input: 'a@2 x@8 b@4',
        options: { bound: 4 },
        out: ['a b@4'],
      },
      { name: 'one from before time is late', input: 'a@1 x@8 b@3', options: { bound: 4 }, out: [], late: ['b@3'] },
      {
        name: 'equal ones come in the order of arrival',
        input: 'b1@3 a@3 b2@3 b3@2 |',
        options: { bound: 4 },
        out: ['a b2@3'],
      },
      { name: 'on completion all come', input: 'b@3 a@1 |', options: { bound: 9 }, out: ['a b@3'] },
      {
        name: 'strict is what is so in order',
        given: pattern('a', isA).next('b', isB).within(10),
        input: 'a1@1 b@3 c@2 a2@4 b2@6 |',
        options: { bound: 9 },
        out: ['a2 b2@6'],
      },
      {
        name: 'results of several keys come in the order of time',
        input: 'a@1 bob/a@1 b@5 bob/b@4 |',
        options: { bound: 9 },
        out: ['bob/a b@4', 'a b@5'],
      },
    ])
  })

  describe('absence', () => {
    const lone = pattern('a', isA).notFollowedBy('b', isB, { within: 5 })
    rows([
      { name: 'is a match when its time passes', given: lone, input: 'a@0 x@5', out: ['a@5'], timedOut: [] },
      { name: 'and not before', given: lone, input: 'a@0 x@4', out: [] },
      { name: 'one that comes ends it', given: lone, input: 'a@0 b@4 |', out: [], timedOut: [] },
      { name: 'one at the limit is too late', given: lone, input: 'a@0 b@5', out: ['a@5'] },
      { name: 'comes on completion', given: lone, input: 'a1@0 a2@1 |', out: ['a1@5', 'a2@6'] },
      {
        name: 'before a record of its time',
        given: pattern('a', isA).notFollowedBy('b', isB, { within: 5 }),
        input: 'a1@0 bob/a@0 a2@5 |',
        out: ['a1@5', 'bob/a@5', 'a2@10'],
      },
      {
        name: 'without a limit of its own it lasts as long as the whole may',
        given: pattern('a', isA).followedBy('c', isC).notFollowedBy('b', isB).within(5),
        input: 'a1@0 c@4 a2@5 c@6 b@9 |',
        out: ['a1 c@5'],
        timedOut: [],
      },
      {
        name: 'several',
        given: pattern('a', isA).notFollowedBy('b', isB).notFollowedBy('c', isC).within(5),
        input: 'a1@0 b@1 a2@2 c@3 a3@4 x@5 |',
        out: ['a3@9'],
      },
      {
        name: 'in between',
        given: pattern('a', isA).notFollowedBy('b', isB).followedBy('c', isC).within(9),
        input: 'a1@0 b@1 c@2 a2@3 x@4 c@5 b@6 |',
        out: ['a2 c@5'],
        timedOut: [],
      },
      {
        name: 'in between it wins over the step behind it',
        given: pattern('a', isA)
          .notFollowedBy('b2', (r) => r.value === 'b2')
          .followedBy('b', isB)
          .within(9),
        input: 'a1@0 b2@1 b1@2 a2@3 b1@4 b2@5',
        out: ['a2 b1@4'],
      },
      {
        name: 'sees what has been matched',
        given: pattern('a', isA).notFollowedBy('b', (r, { a }) => isB(r) && r.value[1] === a.value[1], { within: 5 }),
        input: 'a1@0 a2@0 b2@3 |',
        out: ['a1@5'],
      },
      {
        name: 'with a limit of its own must fit into that of the whole',
        given: pattern('a', isA).followedBy('b', isB).notFollowedBy('c', isC, { within: 4 }).within(6),
        input: 'a1@0 b@2 a2@10 b@13 |',
        out: ['a1 b@6'],
        timedOut: ['a2 b@16'],
      },
    ])
  })

  describe('times', () => {
    const bs = (times: number | readonly [number, number], within = 10) =>
      pattern('a', isA).followedBy('b', isB, { times }).within(within)
    const any = [1, Number.POSITIVE_INFINITY] as const
    rows([
      {
        name: 'each number of them is a match',
        given: bs([1, 2]),
        input: 'a@0 b1@1 c@2 b2@3 b3@4',
        out: ['a [b1]@1', 'a [b1 b2]@3'],
      },
      {
        name: 'as many as there are',
        given: bs(any),
        input: 'a@0 b1@1 b2@3 b3@4',
        out: ['a [b1]@1', 'a [b1 b2]@3', 'a [b1 b2 b3]@4'],
      },
      { name: 'just so many', given: bs(2), input: 'a@0 b1@1 b2@3 b3@4', out: ['a [b1 b2]@3'] },
      {
        name: 'too few are timed out, each partial match by itself',
        given: bs([3, 4]),
        input: 'a@0 b1@1 b2@3 |',
        out: [],
        timedOut: ['a [b1 b2]@10'],
      },
      {
        name: 'what has matched is not timed out',
        given: bs(any),
        input: 'a@0 b1@1 |',
        out: ['a [b1]@1'],
        timedOut: [],
      },
      {
        name: 'before another step, shorter ones first',
        given: pattern('a', isA).followedBy('b', isB, { times: any }).followedBy('c', isC).within(10),
        input: 'a@0 b1@1 b2@2 c@3 |',
        out: ['a [b1] c@3', 'a [b1 b2] c@3'],
        timedOut: ['a [b1 b2]@10'],
      },
      {
        name: 'a record may be one more, or the next step',
        given: pattern('a', isA)
          .followedBy('b', isB, { times: [1, 2] })
          .followedBy('c', is('bc'))
          .within(10),
        input: 'a@0 b1@1 b2@2 c@3',
        out: ['a [b1] b2@2', 'a [b1 b2] c@3'],
      },
      {
        name: 'of the first step: every record begins one',
        given: pattern('a', isA, { times: [1, 2] })
          .followedBy('b', isB)
          .within(10),
        input: 'a1@0 a2@1 b@2',
        out: ['[a1] b@2', '[a1 a2] b@2', '[a2] b@2'],
      },
      {
        name: 'of the only step',
        given: pattern('a', isA, { times: 2 }).within(10),
        input: 'a1@0 c@1 a2@2 a3@3',
        out: ['[a1 a2]@2', '[a2 a3]@3'],
      },
      {
        name: 'strict: others end it, before the first and later',
        given: pattern('a', isA)
          .next('b', isB, { times: [1, 3] })
          .within(10),
        input: 'a@0 b1@1 b2@2 c@3 b3@4',
        out: ['a [b1]@1', 'a [b1 b2]@2'],
      },
      {
        name: 'a predicate sees those before',
        given: pattern('ups', (r: Letters, { ups }) => r.value > (ups[ups.length - 1]?.value ?? ''), {
          times: 3,
        }).within(10),
        input: 'b@0 a@1 c@2 e@3 d@4',
        out: ['[b c e]@3', '[a c e]@3'],
      },
      {
        name: 'each within so much of the one before',
        given: pattern('a', isA, { times: 3, within: 3 }),
        input: 'a1@0 a2@2 a3@4 a4@7',
        out: ['[a1 a2 a3]@4'],
        timedOut: ['[a2 a3]@7', '[a3]@7'],
      },
      {
        name: 'an absence behind them begins anew with each, and those without it are matches too',
        given: pattern('a', isA)
          .followedBy('b', isB, { times: [1, 2] })
          .notFollowedBy('c', isC, { within: 4 })
          .within(20),
        input: 'a@0 b1@1 b2@3 |',
        out: ['a [b1]@5', 'a [b1 b2]@7'],
        timedOut: [],
      },
      {
        name: 'an absence before them is for the first of them',
        given: pattern('a', isA).notFollowedBy('c', isC).followedBy('b', isB, { times: 2 }).within(20),
        input: 'a1@0 b1@1 c@2 a2@3 b2@4 |',
        out: ['a1 [b1 b2]@4'],
      },
    ])
  })

  describe('skipPastLast', () => {
    rows([
      {
        name: 'the match that is whole first wins; of several the one that began first',
        input: 'a1@0 a2@1 b1@2 b2@3 a3@4 b3@5',
        options: skip,
        out: ['a1 b1@2', 'a3 b3@5'],
      },
      {
        name: 'what it drops is not timed out',
        input: 'a1@0 a2@1 b1@2 |',
        options: skip,
        out: ['a1 b1@2'],
        timedOut: [],
      },
      {
        name: 'its last record begins none',
        given: pattern('x', isA).followedBy('y', isA).within(10),
        input: 'a1@0 a2@1 a3@2 a4@3',
        options: skip,
        out: ['a1 a2@1', 'a3 a4@3'],
      },
      { name: 'other keys go on', input: 'a@0 bob/a@1 b@2 bob/b@3', options: skip, out: ['a b@2', 'bob/a b@3'] },
      {
        name: 'the shortest of several',
        given: pattern('a', isA)
          .followedBy('b', isB, { times: [1, 3] })
          .within(10),
        input: 'a@0 b1@1 b2@2',
        options: skip,
        out: ['a [b1]@1'],
      },
      {
        name: 'what began after the last record goes on, though the match comes later',
        given: pattern('a', isA).notFollowedBy('b', isB, { within: 5 }),
        input: 'a1@0 a2@3 |',
        options: skip,
        out: ['a1@5', 'a2@8'],
      },
      {
        name: 'what began with the last record or before is dropped',
        given: pattern('x', isA).followedBy('y', isA).notFollowedBy('b', isB, { within: 5 }).within(20),
        input: 'a1@0 a2@1 a3@2 a4@4 |',
        options: skip,
        out: ['a1 a2@6', 'a3 a4@9'],
      },
    ])
  })

  test('an error of the source passes at once; an empty source completes', async () => {
    const values = { a: ['ann', 'a'] } as const
    await runMarbles({ source: 'a--#', out: '---#', values, pipeline: (s) => s.pipe(operator(ab)) })
    await runMarbles({ source: '|', out: '|', values, pipeline: (s) => s.pipe(operator(ab)) })
  })

  test('without select the value is the records, by step; key and place are those of the last', () => {
    const records = [
      record('ann', 'a', 1, { offset: 4 }),
      record('ann', 'b', 2, { topic: 't', partition: 3, offset: 5 }),
    ]
    const seen: unknown[] = []
    from(records)
      .pipe(matchPattern(ab))
      .subscribe((r) => seen.push(r))
    expect(seen).toEqual([
      {
        key: 'ann',
        value: { a: records[0], b: records[1] },
        timestamp: 2,
        topic: 't',
        partition: 3,
        offset: 5,
        headers: [],
      },
    ])
  })

  test('a pattern is a value: what is added makes another', () => {
    const start = pattern('a', isA)
    const [one, two] = [start.followedBy('b', isB).within(5), start.next('c', isC).within(5)]
    expect(run(one, 'a@0 c@1 b@2').out).toEqual(['a b@2'])
    expect(run(two, 'a@0 c@1 b@2').out).toEqual(['a c@1'])
  })
})

describe('what is refused', () => {
  const a = pattern('a', isA)
  const endless = Number.POSITIVE_INFINITY

  test.each<[name: string, build: () => unknown, message: RegExp]>([
    ['a step without a time limit', () => matchPattern(a.followedBy('b', isB)), /step "b" has no time limit/],
    [
      'one of several steps without',
      () => matchPattern(a.followedBy('b', isB, { within: 5 }).next('c', is('c'))),
      /step "c" has no time limit/,
    ],
    ['a first step of several records without', () => matchPattern(pattern('a', isA, { times: 2 })), /step "a"/],
    ['an absence without', () => matchPattern(a.notFollowedBy('b', isB)), /notFollowedBy at the end has no time limit/],
    ['two steps of one name', () => a.next('a', isB), /two steps are called "a"/],
    ['next after an absence', () => a.notFollowedBy('b', isB).next('c', is('c')), /next\("c"\) after notFollowedBy/],
    [
      'a step after an absence that ends',
      () => a.notFollowedBy('b', isB, { within: 5 }).followedBy('c', is('c')),
      /"c" comes after/,
    ],
    [
      'an absence after one that ends',
      () => a.notFollowedBy('b', isB, { within: 5 }).notFollowedBy('c', is('c')),
      /"c" comes after/,
    ],
    ['times of nothing', () => pattern('a', isA, { times: 0 }), /times of "a" .* got 0/],
    ['times of a part', () => pattern('a', isA, { times: [1, 1.5] }), /got \[1,1.5\]/],
    ['times that fall', () => pattern('a', isA, { times: [3, 2] }), /got \[3,2\]/],
    ['times from endless', () => pattern('a', isA, { times: [endless, endless] }), /times of "a"/],
  ])('%s is BAD_OPTION', (_name, build, message) => {
    expect(build).toThrow(
      expect.objectContaining({
        code: 'BAD_OPTION',
        message: expect.stringMatching(message),
        place: { operator: 'matchPattern' },
      }),
    )
  })

  test.each([
    ['a step', () => a.followedBy('b', isB, { within: 0 }), 'within of "b"'],
    ['an absence', () => a.notFollowedBy('b', isB, { within: 0 }), 'within of "b"'],
    ['the whole', () => a.within(0), 'pattern: within'],
  ])('a time limit of nothing for %s is BAD_DURATION', (_name, build, message) => {
    expect(build).toThrow(expect.objectContaining({ code: 'BAD_DURATION', message: expect.stringContaining(message) }))
  })

  test('a window before it is LOST_WINDOW', () => {
    let error: unknown
    from([record('ann', 'a', 1)])
      .pipe(tumblingWindow(10), matchPattern(a as Pattern<any, any>))
      .subscribe({ error: (e) => (error = e) })
    expect(error).toMatchObject({ code: 'LOST_WINDOW' })
  })
})

describe('what a function throws comes out with the place of its record', () => {
  const failing = pattern('a', isA)
    .followedBy('b', (r) => {
      if (r.value === 'b') throw new RangeError('boom')
      return false
    })
    .within(10)
  const at = (value: string, timestamp: number, offset: number) =>
    record('ann', value, timestamp, { topic: 't', offset })

  test('select, when a time limit passes', () => {
    const boom = () => {
      throw new RangeError('boom')
    }
    let error: unknown
    from([at('a', 1, 4), at('x', 9, 5)])
      .pipe(matchPattern(pattern('a', isA).notFollowedBy('b', isB, { within: 3 }), { name: 'mine', select: boom }))
      .subscribe({ error: (e) => (error = e) })
    expect(error).toMatchObject({
      code: 'OPERATOR_FAILED',
      place: { operator: 'mine', topic: 't', offset: 4, key: 'ann' },
    })
  })

  test.each([
    ['a predicate, at once', undefined, [at('a', 1, 4), at('b', 2, 5)]],
    ['a predicate, of one that has waited', 3, [at('a', 1, 4), at('b', 2, 5), at('c', 9, 6)]],
  ] as const)('%s', (_name, bound, records) => {
    const source = from(records)
    const timed = bound === undefined ? source : source.pipe(withWatermark({ maxOutOfOrderness: bound }))
    let error: unknown
    timed.pipe(matchPattern(failing, { name: 'mine' })).subscribe({ error: (e) => (error = e) })
    expect(error).toMatchObject({
      code: 'OPERATOR_FAILED',
      message: expect.stringContaining('boom'),
      place: { operator: 'mine', topic: 't', offset: 5, key: 'ann' },
    })
  })
})

test('a watermark declared after it is TWO_WATERMARKS', () => {
  let error: unknown
  from([record('ann', 'a', 1)])
    .pipe(matchPattern(pattern('a', isA)), withWatermark({ maxOutOfOrderness: 5 }), mapValues(String))
    .subscribe({ error: (e) => (error = e) })
  expect(error).toMatchObject({ code: 'TWO_WATERMARKS' })
})

test('in an app: side outputs, and what is dropped is counted', async () => {
  const [late, timedOut] = [sideOutput<Letters>('late'), sideOutput<StreamRecord<string, any>>('timedOut')]
  const t = await testApp(
    (app) => {
      const stream = app.stream<string>('in', { value: json() })
      const ab = pattern('a', isA).followedBy('b', isB).within(5)
      app.run('out', stream.pipe(operator(ab, { late, timedOut }), toTopic('out')))
      app.run('late', late.pipe(toTopic('late')))
      app.run('timedOut', timedOut.pipe(mapValues(spelled), toTopic('timedOut')))
    },
    { topics: { in: 1, out: 1, late: 1, timedOut: 1 } },
  )
  await t.send('in', [
    { key: 'ann', value: 'a1', timestamp: 10 },
    { key: null, value: 'b', timestamp: 11 },
    { key: 'ann', value: 'b1', timestamp: 9 },
    { key: 'ann', value: 'x', timestamp: 20 },
    { key: 'ann', value: 'b2', timestamp: 19 },
  ])
  await t.settle()
  expect(await t.records('out')).toEqual([])
  expect(await t.records('late')).toEqualRecords([
    { value: 'b1', timestamp: 9 },
    { value: 'b2', timestamp: 19 },
  ])
  expect(await t.records('timedOut')).toEqualRecords([{ key: 'ann', value: 'a1', timestamp: 15 }])
  expect(t.app.stats().tasks[0]?.dropped).toEqual([
    { operator: 'match', reason: 'null key', count: 1 },
    { operator: 'match', reason: 'late', count: 2 },
  ])
  await t.stop()
})

test('its state is plain JSON, survives a restart, and is freed', async () => {
  const topic = { partitions: 1, key: json<any>() }
  const given = pattern('a', isA as (r: StreamRecord<any, any>) => boolean)
    .followedBy('bs', isB, { times: [1, 2] })
    .notFollowedBy('c', is('c'), { within: 5 })
    .within(20)
  const t = await testApp(
    (app) => {
      const stream = app.stream<string, any>('in', {
        ...topic,
        value: json(),
        watermark: { maxOutOfOrderness: 3 },
      })
      const select = (matched: any) =>
        [matched.a, ...matched.bs].map((r) => [r.key, r.value, r.offset, r.headers.map(([n, v]: any) => [n, [...v]])])
      app.run('out', stream.pipe(matchPattern(given, { name: 'match', select }), toTopic('out', { key: json<any>() })))
    },
    { topics: { in: topic, out: topic } },
  )
  const key = ['ann', 7]
  const headers = [['trace', Uint8Array.of(0, 255)]] as const
  await t.send('in', [
    { key, value: 'b', timestamp: 6 },
    { key, value: 'a', timestamp: 4, headers },
    { key: ['other'], value: 'x', timestamp: 8 },
  ])
  await t.settle()
  // What time has reached is taken, the rest waits.
  expect((await t.state('match')).map((entry) => entry.key)).toEqual([key])
  expect((await t.state('match.waiting')).map((entry) => entry.key)).toEqual([0, 2])
  await t.crash()
  await t.restart()
  await t.send('in', { key: ['other'], value: 'x', timestamp: 40 })
  await t.settle()
  expect(await t.records('out')).toEqualRecords([
    {
      key,
      timestamp: 11,
      value: [
        [key, 'a', 1, [['trace', [0, 255]]]],
        [key, 'b', 0, []],
      ],
    },
  ])
  expect(await t.state('match')).toEqual([])
  expect((await t.state('match.waiting')).map((entry) => entry.key)).toEqual([3])
  expect(t.errors).toEqual([])
  await t.stop()
})
