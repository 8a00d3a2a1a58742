import { describe, expect, test } from '@jest/globals'
import { map, merge } from 'rxjs'
import { aggregate, count, sideOutput, tumblingWindow, withWatermark } from 'tidemark'
import { matchers, parseDiagram, runMarbles, testClock } from 'tidemark/testing'

describe('diagrams', () => {
  const shown = (text: string) => {
    const { marks, end } = parseDiagram(text)
    const one = (mark: (typeof marks)[number]) =>
      mark.kind === 'record' ? `${mark.symbol}${mark.timestamp === undefined ? '' : `@${mark.timestamp}`}` : mark.kind
    return [...marks.map((mark) => `${mark.time} ${one(mark)}`), `end ${end}`].join(', ')
  }

  test.each([
    ['', 'end 0'],
    ['---', 'end 3'],
    ['a--b|', '0 a, 3 b, 4 complete, end 5'],
    ['a #', '0 a, 1 error, end 2'],
    ['-(ab|)c', '1 a, 1 b, 1 complete, 6 c, end 7'],
    ['a@12-b', '0 a@12, 5 b, end 6'],
    ['(a@9b)', '0 a@9, 0 b, end 6'],
    ['a 9s b', '0 a, 9001 b, end 9002'],
    ['1 1ms 1', '0 1, 2 1, end 3'],
    ['5s', 'end 5000'],
    ['-5s', '1 5, 2 s, end 3'],
    ['ä😀', '0 ä, 1 😀, end 2'],
  ])('%j', (text, expected) => expect(shown(text)).toBe(expected))

  test.each(['(a', 'a)', '((a))', '@5', '(a-b)'])('%j is refused, with the column', (text) => {
    expect(() => parseDiagram(text)).toThrow(/at column \d/)
  })
})

describe('runMarbles', () => {
  const values = { a: ['ann', 1], b: ['bob', 2] } as const
  const same = { source: 'a--b|', values, pipeline: (s: any) => s }

  test('passes what is equal, and gives all of it back', async () => {
    const run = await runMarbles({ ...same, out: 'a--b|' })
    expect(run.out.map(({ time, record }) => [time, record.key, record.timestamp])).toEqual([
      [0, 'ann', 0],
      [3, 'bob', 3],
    ])
    expect(run.completed).toBe(4)
  })

  test.each([
    ['another record', 'a--a|', '≠ 3 ms: a = ann: 1   3 ms: b = bob: 2'],
    ['another time', 'a---b|', '≠ 4 ms: b'],
    ['too much', 'a---|', '≠'],
    ['too little', 'a--b-b|', '≠ 5 ms: b'],
    ['no completion', 'a--b', '4 ms: |'],
    ['an error instead', 'a--b#', '≠ 4 ms: #'],
    ['another timestamp', 'a@5--b|', '≠ 0 ms: a = ann: 1 @5   0 ms: a = ann: 1 @0'],
  ])('shows %s', async (_name, out, shown) => {
    await expect(runMarbles({ ...same, out })).rejects.toThrow(shown)
  })

  test('shows an error that was not expected', async () => {
    const boom = () => {
      throw new Error('boom')
    }
    await expect(runMarbles({ ...same, pipeline: (s) => s.pipe(map(boom)), out: 'a--b|' })).rejects.toThrow(
      'it errored with: boom',
    )
  })

  test('compares watermarks and late records', async () => {
    const pipeline = (s: any) => s.pipe(withWatermark({ maxOutOfOrderness: 1 }))
    await expect(runMarbles({ ...same, pipeline, watermarks: { 0: -1, 3: 1 } })).rejects.toThrow('≠ 3 ms: 1    3 ms: 2')
    const late = (s: any, tools: any) => s.pipe(tumblingWindow(10, { late: tools.late }), aggregate(count()))
    await expect(runMarbles({ ...same, pipeline: late, late: 'a' })).rejects.toThrow('the late output differs')
  })

  test('a side output of its own is compared where the pipeline merges it, and refused where `late` should be', async () => {
    const windows = (s: any, late: any) => s.pipe(tumblingWindow(2, { late }), aggregate(count(), { emit: 'close' }))
    const given = { source: 'a--bc@1|', values: { ...values, c: ['ann', 9], x: ['ann', 1], y: ['bob', 1] } } as const
    const own = sideOutput<any>('own')
    await runMarbles({ ...given, out: '---xc--(y|)', pipeline: (s) => merge(windows(s, own), own) })
    await runMarbles({ ...given, late: '----c', pipeline: (s, { late }) => windows(s, late) })
    for (const late of ['----c', '-'])
      await expect(runMarbles({ ...given, late, pipeline: (s) => windows(s, own) })).rejects.toThrow(
        'pipeline: (source, { late }) =>',
      )
    await expect(runMarbles({ ...given, out: '', pipeline: (s, { late }) => windows(s, own) && late })).rejects.toThrow(
      'NOT_PLANNED',
    )
  })

  test('refuses a symbol that values does not explain', async () => {
    await expect(runMarbles({ ...same, source: 'x' })).rejects.toThrow('"x"')
  })
})

describe('testClock', () => {
  test('timers fire in the order of their times, each at its own, with what they set in between', async () => {
    const clock = testClock(100)
    const seen: string[] = []
    const note = (name: string) => () => seen.push(`${name} ${clock.now()}`)
    clock.after(20, note('b'))
    clock.after(10, () => {
      note('a')()
      clock.after(5, note('c'))
    })
    clock.after(20, note('d'))
    clock.after(15, note('cancelled'))()
    clock.after(31, note('later'))
    await clock.advance(30)
    expect(seen).toEqual(['a 110', 'c 115', 'b 120', 'd 120'])
    expect(clock.now()).toBe(130)
  })

  test('settle runs what is to happen soon, and waits for promises and I/O in between', async () => {
    const clock = testClock()
    const seen: number[] = []
    clock.soon(async () => {
      for (let n = 0; n < 50; n++) await null
      await new Promise((resolve) => setImmediate(resolve))
      clock.soon(() => seen.push(1))
    })
    await clock.settle()
    expect(seen).toEqual([1])
    expect(clock.now()).toBe(0)
  })

  test('a cancelled timer does not fire', async () => {
    const clock = testClock()
    const cancel = clock.after(1, () => {
      throw new Error('cancelled')
    })
    cancel()
    await clock.advance('1s')
  })
})

describe('toEqualRecords', () => {
  const came = [
    { key: 'a', value: { n: 1 }, timestamp: 5, window: { start: 0, end: 10 } },
    { key: 'b', value: 2, timestamp: 6 },
  ]
  const check = (expected: Parameters<typeof matchers.toEqualRecords>[1]) => matchers.toEqualRecords(came, expected)

  test('compares the fields that are given', () => {
    expect(check([{ key: 'a' }, { value: 2, timestamp: 6 }]).pass).toBe(true)
    expect(check([{ window: { start: 0, end: 10 } }, {}]).pass).toBe(true)
  })

  test.each([
    ['another value', [{ value: { n: 2 } }, {}], 'record 0 is the first'],
    ['another window', [{ window: { start: 0, end: 11 } }, {}], '[0, 11)'],
    ['too few', [{ key: 'a' }, {}, { key: 'c' }], 'record 2 is the first that differs (2 came, 3 expected)'],
    ['too many', [{ key: 'a' }], 'record 1 is the first'],
  ])('shows %s', (_name, expected, shown) => {
    const { pass, message } = check(expected)
    expect(pass).toBe(false)
    expect(message()).toContain(shown)
  })
})
