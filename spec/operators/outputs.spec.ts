import { describe, expect, test } from '@jest/globals'
import { map, merge, of } from 'rxjs'
import {
  type App,
  aggregate,
  collect,
  json,
  local,
  mapValues,
  process,
  record,
  type StreamRecord,
  shared,
  sideOutput,
  toTopic,
  tumblingWindow,
} from 'tidemark'
import { matchers, operatorLaws, runMarbles, testApp } from 'tidemark/testing'
import { expectDrawn } from '../testing/docstring.js'

expect.extend(matchers)

const input = [3, 1, 2, 7].map((time, i) => record(['ann', 'bob'][i % 2] as string, i, time))

describe('toTopic', () => {
  const copy = (partitions: number) => (app: App) =>
    app.run('copy', app.stream<number>('in', { value: json() }).pipe(toTopic('out'), toTopic(`again-${partitions}`)))

  test('its diagram: each record is written, and passed on', async () => {
    expectDrawn('operators/toTopic.ts', 'in     a--b--', 'topic  a--b--', 'out    a--b--')
    const t = await testApp(copy(1), { topics: { in: 1, out: 1, 'again-1': 1 } })
    await t.send('in', [
      { key: 'ann', value: 1, timestamp: 0 },
      { key: 'bob', value: 2, timestamp: 3 },
    ])
    await t.settle()
    const both = [
      { key: 'ann', value: 1, timestamp: 0 },
      { key: 'bob', value: 2, timestamp: 3 },
    ]
    expect(await t.records('out')).toEqualRecords(both)
    expect(await t.records('again-1')).toEqualRecords(both)
    await t.stop()
  })

  test('partitions: as the key says; without one, as the record had', async () => {
    const t = await testApp(copy(2), { topics: { in: 3, out: 3, 'again-2': 2 } })
    await t.send('in', [
      { key: 'ann', value: null, timestamp: 1 },
      { value: 1, timestamp: 1, partition: 0 },
      { value: 2, timestamp: 1, partition: 1 },
      { value: 3, timestamp: 1, partition: 2 },
    ])
    await t.settle()
    const [ann] = (await t.records('in')).filter((r) => r.key === 'ann')
    const out = await t.records('out')
    expect(out.filter((r) => r.key === 'ann')).toEqualRecords([{ value: null, partition: ann?.partition as number }])
    expect(out.filter((r) => r.key === null)).toEqualRecords([0, 1, 2].map((n) => ({ value: n + 1, partition: n })))
    expect((await t.records('again-2')).filter((r) => r.key === null)).toEqualRecords([
      { value: 1, partition: 0 },
      { value: 3, partition: 0 },
      { value: 2, partition: 1 },
    ])
    await t.stop()
  })

  test('a windowed result takes its window along', async () => {
    const t = await testApp(
      (app) => {
        const stream = app.stream<number>('in', { value: json() })
        app.run('out', stream.pipe(tumblingWindow(10), aggregate(collect()), toTopic('out')))
      },
      { topics: { in: 1, out: 1 } },
    )
    await t.send('in', { key: 'a', value: 1, timestamp: 12 })
    await t.settle()
    expect(await t.records('out')).toEqualRecords([{ value: [1], window: { start: 10, end: 20 }, final: false }])
    await t.stop()
  })

  test.each([
    ['a key that is no string', 'NOT_SERIALISABLE', (r: any) => ({ ...r, key: 5 })],
    ['a timestamp that is none', 'BAD_TIMESTAMP', (r: any) => ({ ...r, timestamp: Number.NaN })],
    ['a timestamp before the epoch', 'BAD_TIMESTAMP', (r: any) => ({ ...r, timestamp: -1 })],
    ['a value that JSON would not give back', 'NOT_SERIALISABLE', (r: any) => ({ ...r, value: new Date(0) })],
  ])('%s stops the app with the place', async (_name, code, change) => {
    const t = await testApp(
      (app) => app.run('x', app.stream<number>('in', { value: json() }).pipe(map(change), toTopic('out') as any)),
      { topics: { in: 1, out: 1 } },
    )
    await t.send('in', { key: 'a', value: 1, timestamp: 1 })
    await t.settle()
    expect(t.errors).toMatchObject([{ code, place: { operator: 'toTopic', topic: 'in', partition: 0, offset: 0 } }])
    await t.stop()
  })

  test('outside an app it is NOT_PLANNED', () => {
    const codes: unknown[] = []
    of(input[0] as StreamRecord<string, number>)
      .pipe(toTopic('out'))
      .subscribe({ error: (error) => codes.push(error.code) })
    expect(codes).toEqual(['NOT_PLANNED'])
  })
})

describe('shared', () => {
  test('its diagram', async () => {
    const source = 'a--b--|'
    expectDrawn('operators/shared.ts', `in        ${source}`, `shared()  ${source}`)
    await runMarbles({
      source,
      out: source,
      values: { a: ['ann', 1], b: ['bob', 2] },
      pipeline: (s) => s.pipe(shared()),
    })
  })

  for (const law of operatorLaws(() => shared(), input)) test(law.name, law.run)

  test('plain operators before it run once, however many branches follow', async () => {
    let runs = 0
    await runMarbles({
      source: 'a---b---|',
      out: '   (yx)(wz)|',
      values: { a: ['k', 1], b: ['k', 2], x: ['k', 1], y: ['k', -1], z: ['k', 2], w: ['k', -2] },
      pipeline: (s) => {
        const one = s.pipe(
          map((r) => {
            runs++
            return r
          }),
          shared(),
        )
        return merge(one, one.pipe(mapValues((v) => -v)))
      },
    })
    expect(runs).toBe(2)
  })
})

describe('sideOutput', () => {
  const split = (output: any) =>
    process<StreamRecord<string, number>, StreamRecord<string, number>>(
      ({ emit, emitTo }) => ({ record: (r) => (r.value % 2 === 1 ? emitTo(output, r) : emit(r)) }),
      { sideOutputs: [output] },
    )

  test('its records stand in the plan behind those that write them, in a branch of their own', async () => {
    await runMarbles({
      source: 'a--b--a--|',
      out: '   x--b--x--|',
      values: { a: ['k', 1], b: ['k', 2], x: ['k', 'odd'] },
      pipeline: (s) => {
        const odd = sideOutput<StreamRecord<string, number>>('odd')
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

test('local: its diagram', async () => {
  const [source, out] = ['a----b----|', '(pq)-(rs)-|']
  expectDrawn(
    'task/local.ts',
    `in                                      ${source}`,
    `local(merge(all.pipe(f), all.pipe(g)))  ${out}`,
  )
  await runMarbles({
    source,
    out,
    values: { a: ['k', 1], b: ['k', 2], p: ['k', 'f1'], q: ['k', 'g1'], r: ['k', 'f2'], s: ['k', 'g2'] },
    pipeline: (s) => {
      const all = s.pipe(shared())
      return local(merge(all.pipe(mapValues((v) => `f${v}`)), all.pipe(mapValues((v) => `g${v}`))))
    },
  })
})
