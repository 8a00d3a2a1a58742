import fc from 'fast-check'
import type { App } from 'tidemark'
import { type ReadRecord, testApp } from 'tidemark/testing'

/** A record of a property test: a row that a table gets, or with null loses. */
export interface Upsert {
  readonly topic: string
  readonly key: string
  readonly value: number | null
  readonly time: number
}

/** Records for tables over these topics. */
export const upserts = (topics: readonly string[], maxLength = 25) =>
  fc.array(
    fc.record({
      topic: fc.constantFrom(...topics),
      key: fc.constantFrom('a', 'b', 'c'),
      value: fc.option(fc.nat(9), { freq: 4 }),
      time: fc.nat(60),
    }),
    { maxLength },
  )

/** What an app with tables wrote into the topic `out`, and what was read of it at its end. */
export interface Outcome<Read> {
  readonly out: readonly ReadRecord[]
  readonly read: Read
  readonly state: readonly { readonly key: unknown; readonly value: unknown }[]
  readonly dropped: number
}

/**
 * Runs an app over the partitions (two) of each topic, record by record. It crashes after one of the records, with a checkpoint after every third only,
 * and so does again what had been lost.
 */
export async function crashingTables<Result, Read>(
  topics: readonly string[],
  build: (app: App) => Result,
  records: readonly Upsert[],
  crashAt: number,
  read: (result: Result) => Read,
  { state, partitions = 2 }: { readonly state?: string | undefined; readonly partitions?: number } = {},
): Promise<Outcome<Read>> {
  const t = await testApp(build, { topics: Object.fromEntries([...topics, 'out'].map((topic) => [topic, partitions])) })
  for (const [i, { topic, key, value, time }] of records.entries()) {
    await t.send(topic, { key, value, timestamp: time })
    await t.settle({ checkpoint: i % 3 === 0 })
    if (i !== crashAt) continue
    await t.crash()
    await t.restart()
  }
  await t.settle()
  const outcome = {
    out: await t.records('out'),
    read: read(t.result),
    state: state === undefined ? [] : await t.state(state),
    dropped: t.app
      .stats()
      .tasks.flatMap(({ dropped }) => dropped)
      .reduce((sum, { count }) => sum + count, 0),
  }
  await t.stop()
  if (t.errors[0] !== undefined) throw t.errors[0]
  return outcome
}

/** The values of one key before each record and after it, as a table over one topic has them. */
export function historyOf(records: readonly Upsert[], topic: string, key: string) {
  return records.map((_, i) => {
    const valueAt = (until: number): number | null =>
      records.slice(0, until).findLast((other) => other.topic === topic && other.key === key)?.value ?? null
    return { before: valueAt(i), after: valueAt(i + 1) }
  })
}
