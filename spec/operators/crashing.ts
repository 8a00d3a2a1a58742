import fc from 'fast-check'
import type { Observable } from 'rxjs'
import { json, record, toTopic, type WatermarkOptions } from 'tidemark'
import { type ReadRecord, testApp } from 'tidemark/testing'

/** A record of a property test; its value is its place in the input. */
export interface Given {
  readonly key: string | null
  readonly time: number
}

export const givenRecords = fc.array(
  fc.record({ key: fc.option(fc.constantFrom('a', 'b', 'c'), { freq: 8 }), time: fc.nat(60) }),
  { maxLength: 25 },
)

/** A bound of disorder, or none: stream time. */
export const givenBound = fc.option(fc.nat(20))

/**
 * An operator's time once each record is there: the highest timestamp so far, less the bound of the watermark. Without a watermark only
 * records with a key count, as the others are refused.
 */
export function timesOf(records: readonly Given[], bound: number | null): number[] {
  return records.map((_, index) => {
    const counted = records.slice(0, index + 1).filter(({ key }) => bound !== null || key !== null)
    return Math.max(...counted.map(({ time }) => time)) - (bound ?? 0)
  })
}

export const recordsOf = (records: readonly Given[]) => records.map(({ key, time }, i) => record(key, i, time))

export const watermarkOf = (bound: number | null): { watermark?: WatermarkOptions } =>
  bound === null ? {} : { watermark: { maxOutOfOrderness: bound } }

/** What an operator writes in an app that crashes after one of the records, with a checkpoint after every third only. */
export async function crashing(
  operator: (source: Observable<any>) => Observable<any>,
  records: readonly Given[],
  bound: number | null,
  crashAt: number,
): Promise<ReadRecord[]> {
  const topic = { partitions: 1, key: json<any>() }
  const t = await testApp(
    (app) => {
      const stream = app.stream<number, any>('in', { key: json<any>(), value: json(), ...watermarkOf(bound) })
      app.run('out', operator(stream).pipe(toTopic('out', { key: json<any>() })))
    },
    { topics: { in: topic, out: topic } },
  )
  for (const [i, { key, time }] of records.entries()) {
    await t.send('in', { key, value: i, timestamp: time })
    await t.settle({ checkpoint: i % 3 === 0 })
    if (i !== crashAt) continue
    await t.crash()
    await t.restart()
  }
  await t.settle()
  const out = await t.records('out')
  await t.stop()
  if (t.errors[0] !== undefined) throw t.errors[0]
  return out
}
