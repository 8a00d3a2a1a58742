import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { map, of } from 'rxjs'
import { type App, aggregate, collect, json, partitionOf, record, string, toTopic, tumblingWindow } from 'tidemark'
import { matchers, testApp } from 'tidemark/testing'
import { expectDrawn } from '../testing/docstring.js'

expect.extend(matchers)

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

describe('edges', () => {
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
    const place = { operator: 'toTopic', topic: 'in', partition: 0, offset: 0 }
    await expect(t.settle()).rejects.toMatchObject({ code, place })
    await t.stop()
  })

  test('outside an app it is NOT_PLANNED', () => {
    const codes: unknown[] = []
    of(record('ann', 1, 1))
      .pipe(toTopic('out'))
      .subscribe({ error: (error) => codes.push(error.code) })
    expect(codes).toEqual(['NOT_PLANNED'])
  })
})

test('against putting each record into its partition by hand: all are there, in their order', async () => {
  const given = fc.array(
    fc.record({
      key: fc.option(fc.string({ maxLength: 3 }), { freq: 3 }),
      value: fc.option(fc.nat(9), { freq: 4 }),
      timestamp: fc.nat(50),
      partition: fc.nat(2),
    }),
    { maxLength: 15 },
  )
  await fc.assert(
    fc.asyncProperty(given, fc.integer({ min: 1, max: 4 }), async (sent, partitions) => {
      const t = await testApp((app) => app.run('x', app.stream<number>('in', { value: json() }).pipe(toTopic('out'))), {
        topics: { in: 3, out: partitions },
      })
      for (const one of sent) {
        await t.send('in', one)
        await t.settle()
      }
      const expected = sent.map(({ key, value, timestamp, partition }) => ({
        key,
        value,
        timestamp,
        partition: key === null ? partition % partitions : partitionOf(string().serialize(key), partitions),
      }))
      const out = await t.records('out')
      for (let partition = 0; partition < partitions; partition++) {
        const there = out.filter((one) => one.partition === partition)
        expect(there).toEqualRecords(expected.filter((one) => one.partition === partition))
      }
      await t.stop()
    }),
    { seed: 61, numRuns: 30 },
  )
})
