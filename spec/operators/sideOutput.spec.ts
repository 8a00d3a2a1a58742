import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { from, merge, type Observable } from 'rxjs'
import { json, local, mapValues, process, record, type StreamRecord, sideOutput } from 'tidemark'
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
    ).rejects.toMatchObject({ code: 'NOT_PLANNED', place: { operator: 'nobodys' } })
  })
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
