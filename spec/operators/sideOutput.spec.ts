import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { concat, from, merge, NEVER, type Observable, Subject } from 'rxjs'
import {
  aggregate,
  count,
  json,
  local,
  mapValues,
  process,
  record,
  type StreamRecord,
  shared,
  sideOutput,
  toTopic,
  tracer,
  tumblingWindow,
} from 'tidemark'
import { operatorLaws, runMarbles, testApp } from 'tidemark/testing'
import { expectDrawn } from '../testing/docstring.js'

type Numbers = StreamRecord<string, number>

/** Lets even numbers through, and has odd ones go to the output. */
const split = (output: any) =>
  process<Numbers, Numbers>(
    ({ emit, emitTo }) => ({ record: (r) => (r.value % 2 === 1 ? emitTo(output, r) : emit(r)) }),
    { sideOutputs: [output] },
  )

test('its diagram', async () => {
  const [source, out, odd] = ['a--b--a--|', '---b-----|', 'a-----a--']
  expectDrawn('operators/sideOutput.ts', `in   ${source}`, `out  ${out}`, `odd  ${odd}|`)
  await runMarbles({
    source,
    out,
    late: odd,
    values: { a: ['k', 1], b: ['k', 2] },
    pipeline: (s, { late }) => s.pipe(split(late)),
  })
})

/** All records again, the odd ones by way of the side output and with their sign turned. */
const both = (s: Observable<Numbers>) => {
  const odd = sideOutput<Numbers>('odd')
  return local(merge(s.pipe(split(odd)), odd.pipe(mapValues((value) => -value))))
}

describe('laws', () => {
  const input = [3, 1, 2, 7].map((time, i) => record(['ann', 'bob'][i % 2] as string, i, time))
  // `local` lets records wait until all branches are there: a source that never pauses leaves no time for that.
  for (const law of operatorLaws(() => both, input, { isAsync: true })) test(law.name, law.run)
})

describe('edges', () => {
  test.each([
    ['an empty source', '|', '|'],
    ['completes with the operator that writes to it', 'a-|', 'x-|'],
    ["that operator's error comes out once", 'a-#', 'x-#'],
  ])('%s', async (_, source, out) => {
    await runMarbles({ source, out, values: { a: ['k', 1], x: ['k', -1] }, pipeline: both })
  })

  test('its records stand in the plan behind those that write them, in a branch of their own', async () => {
    await runMarbles({
      source: 'a--b--a--|',
      out: '   x--b--x--|',
      values: { a: ['k', 1], b: ['k', 2], x: ['k', 'odd'] },
      pipeline: (s) => {
        const odd = sideOutput<Numbers>('odd')
        return merge(s.pipe(split(odd)), odd.pipe(mapValues(() => 'odd')))
      },
    })
  })

  test('one that nobody writes is NOT_PLANNED in an app', async () => {
    const nobodys = sideOutput('nobodys')
    await expect(
      testApp(
        (app) => {
          app.run('x', app.stream('in', { value: json() }))
          app.run('y', nobodys)
        },
        { topics: { in: 1 } },
      ),
    ).rejects.toMatchObject({ code: 'NOT_PLANNED', place: { app: expect.any(String), operator: 'nobodys' } })
  })
})

describe('outside an app', () => {
  // The third comes after the window [0, 1000) has closed.
  const input = [100, 1_200, 300, 1_500].map((time) => record('ann', time, time))
  const counted = [
    [0, 1],
    [1_000, 2],
  ]

  /** Counts per window and late records, one after the other, by what `build` makes of the two. */
  function run(source: Observable<Numbers>, build: (main: Observable<any>, late: Observable<any>) => Observable<any>) {
    const late = sideOutput<Numbers>('late')
    const main = source.pipe(tumblingWindow('1s', { late }), aggregate(count(), { emit: 'close' }))
    const seen: unknown[] = []
    build(main, late).subscribe({
      next: ({ value, timestamp, window }) => seen.push(window === undefined ? timestamp : [window.start, value]),
      error: (error) => seen.push(error.code),
      complete: () => seen.push('complete'),
    })
    return seen
  }

  test.each<[string, (main: Observable<any>, late: Observable<any>) => Observable<any>]>([
    ['merged in local()', (main, late) => local(merge(main, late))],
    ['merged in local(), the other way round', (main, late) => local(merge(late, main))],
    ['before its operator, in one pipeline', (main, late) => merge(late, main).pipe(shared())],
  ])('works and completes: %s', (_, build) => {
    expect(run(from(input), build)).toEqual([counted[0], 300, counted[1], 'complete'])
    const source = new Subject<Numbers>()
    const seen = run(source, build)
    for (const given of input) source.next(given)
    expect(seen).toEqual([counted[0], 300])
    source.complete()
    expect(seen).toEqual([counted[0], 300, counted[1], 'complete'])
    expect(run(from([]), build)).toEqual(['complete'])
  })

  test('subscribed by itself it is NOT_PLANNED at once, with what to do', () => {
    const source = new Subject<Numbers>()
    expect(run(source, (main, late) => merge(main, late))).toEqual(['NOT_PLANNED'])
    expect(run(source, (main, late) => merge(late, main))).toEqual(['NOT_PLANNED'])
    expect(run(source, (_, late) => late)).toEqual(['NOT_PLANNED'])
    expect(run(source, (_, late) => local(late.pipe(mapValues((value) => value))))).toEqual(['NOT_PLANNED'])
    expect(source.observed).toBe(false)
    expect(run(from(input), (main, late) => merge(main, late))).toEqual([...counted, 'NOT_PLANNED'])
    sideOutput('alone').subscribe({
      error: (error) => expect(error.message).toMatch(/local\(merge\(main, late\)\).*operator alone/),
    })
    expect.assertions(7)
  })

  test('subscribed behind records that it should have had: LATE_BRANCH, or NOT_PLANNED once their operator has gone', () => {
    const build = (main: Observable<any>, late: Observable<any>) => merge(main, late).pipe(shared())
    expect(run(concat(from(input), NEVER), build)).toEqual([counted[0], 'LATE_BRANCH'])
    // Nothing but a late record has come out, and nobody has seen it.
    const dropping = (output: Observable<any>) =>
      merge(NEVER, concat(from([input[0] as Numbers]), NEVER).pipe(odd(output)))
    const odd = (output: Observable<any>) =>
      process<Numbers, Numbers>(({ emitTo }) => ({ record: (r) => emitTo(output, r) }), { sideOutputs: [output] })
    expect(run(NEVER, (_, late) => build(dropping(late), late))).toEqual(['LATE_BRANCH'])
    expect(run(from(input), build)).toEqual([...counted, 'NOT_PLANNED'])
  })

  test('where nobody reads it, what is late is counted as dropped, and traced', async () => {
    const dropped: unknown[] = []
    const trace = tracer((event) => {
      if (event.type === 'dropped') dropped.push([event.operator, event.reason, event.record?.timestamp])
    })
    expect(run(from(input), (main) => local(main, { trace }))).toEqual([...counted, 'complete'])
    expect(dropped).toEqual([['aggregate', 'late', 300]])

    const t = await testApp(
      (app) => {
        const window = tumblingWindow<StreamRecord<string, number>>('1s', { late: sideOutput('late') })
        const counts = app.stream<number>('in', { value: json() }).pipe(window, aggregate(count(), { name: 'n' }))
        app.run('n', counts.pipe(toTopic('out')))
      },
      { topics: { in: 1, out: 1 } },
    )
    await t.send('in', input)
    await t.settle()
    expect(t.app.stats().tasks.flatMap((task) => task.dropped)).toEqual([{ operator: 'n', reason: 'late', count: 1 }])
    await t.stop()
  })
})

test('what is no side output is refused where one is wanted: nothing would come to it', async () => {
  const late = sideOutput<Numbers>('late')
  for (const other of [
    new Subject<Numbers>(),
    late.pipe(mapValues((value) => value)),
    from([]) as Observable<Numbers>,
  ]) {
    const refused = {
      code: 'BAD_OPTION',
      place: { operator: 'counts' },
      message: expect.stringContaining('sideOutput(...)'),
    }
    const pipeline = (source: Observable<Numbers>) =>
      source.pipe(tumblingWindow('1s', { late: other }), aggregate(count(), { name: 'counts' }))
    pipeline(from([])).subscribe({ error: (error) => expect(error).toMatchObject(refused) })
    const started = testApp((app) => app.run('n', pipeline(app.stream('in', { value: json() })).pipe(toTopic('out'))), {
      topics: { in: 1, out: 1 },
    })
    await expect(started).rejects.toMatchObject(refused)
    from([])
      .pipe(split(other))
      .subscribe({ error: (error) => expect(error.code).toBe('BAD_OPTION') })
  }
  expect.assertions(9)
})

test('against splitting the list: each record comes out where it belongs, in the order of all', () => {
  const given = fc.array(fc.record({ key: fc.constantFrom('a', 'b'), value: fc.nat(9), time: fc.nat(20) }))
  fc.assert(
    fc.property(given, (all) => {
      const records = all.map(({ key, value, time }) => record(key, value, time))
      const seen: unknown[] = []
      both(from(records)).subscribe(({ key, value, timestamp }) => seen.push([key, value, timestamp]))
      const expected = records.map(({ key, value, timestamp }) => [key, value % 2 === 1 ? -value : value, timestamp])
      expect(seen).toEqual(expected)
    }),
    { seed: 63, numRuns: 100 },
  )
})
