import { expect, test } from '@jest/globals'
import fc from 'fast-check'
import { filter, map, merge } from 'rxjs'
import {
  type App,
  aggregate,
  collect,
  count,
  json,
  keyBy,
  streamStreamJoin,
  streamTableJoin,
  sum,
  toTopic,
  tumblingWindow,
} from 'tidemark'
import { inChangelogs, versions } from './versions.js'

const TOPICS = { a: 2, b: 2, c: 2, windows: 2, all: 2, shares: 2, pairs: 2, others: 2 }
const KEYS = ['k', 'l', 'm']
const BOUND = 40

/** What may be there besides the pipelines that are compared. */
interface Variant {
  readonly isReversed: boolean
  readonly hasFilter: boolean
  readonly hasCount: boolean
  readonly hasMerge: boolean
  readonly hasTable: boolean
  readonly hasExchange: boolean
}

const PLAIN: Variant = {
  isReversed: false,
  hasFilter: false,
  hasCount: false,
  hasMerge: false,
  hasTable: false,
  hasExchange: false,
}

const build = (variant: Variant) => (app: App) => {
  const read = (topic: string) => app.stream<number>(topic, { value: json(), watermark: { maxOutOfOrderness: BOUND } })
  const [a, b] = [read('a'), read('b')]
  const between = variant.hasFilter ? a.pipe(filter(() => true)) : a
  const others: (() => void)[] = []
  if (variant.hasCount)
    others.push(() => app.run('count', a.pipe(aggregate(count(), { name: 'count' }), toTopic('others'))))
  if (variant.hasMerge)
    others.push(() => app.run('merge', merge(read('c'), b).pipe(aggregate(count(), { name: 'merge' }))))
  if (variant.hasTable) {
    const table = app.table<number>('c', { value: json(), name: 'table' })
    others.push(() =>
      app.run(
        'table',
        a.pipe(
          streamTableJoin(table, (value, row) => [value, row], { kind: 'left' }),
          toTopic('others'),
        ),
      ),
    )
  }
  if (variant.hasExchange) {
    others.push(() =>
      app.run(
        'exchange',
        a.pipe(
          keyBy((one) => `${one.value % 2}`),
          tumblingWindow(7),
          aggregate(count(), { name: 'exchange' }),
        ),
      ),
    )
  }
  const compared = [
    () =>
      app.run(
        'windows',
        between.pipe(tumblingWindow(10), aggregate(collect(), { name: 'windows', emit: 'close' }), toTopic('windows')),
      ),
    () => app.run('all', a.pipe(aggregate(collect(), { name: 'all' }), toTopic('all'))),
    () =>
      app.run(
        'shares',
        b.pipe(
          keyBy((one) => `${one.value % 3}`, { name: 'shares' }),
          tumblingWindow(20),
          aggregate(
            sum((one) => one.value),
            { name: 'shares', emit: 'close' },
          ),
          toTopic('shares'),
        ),
      ),
    () =>
      app.run(
        'pairs',
        a.pipe(
          streamStreamJoin(b, (left, right) => [left, right], { within: 5, name: 'pairs', kind: 'left' }),
          map((one) => one),
          toTopic('pairs'),
        ),
      ),
  ]
  const all = [...compared, ...others]
  for (const run of variant.isReversed ? all.reverse() : all) run()
}

interface Step {
  readonly records: readonly { topic: string; key: string; value: number; ahead: number }[]
  /** Whether it crashes after these records have been handled, and whether a checkpoint has been taken then. */
  readonly end: 'go on' | 'crash' | 'crash without checkpoint'
  readonly next: Variant
}

/** Runs all steps; gives what came out, by topic. */
async function run(
  steps: readonly Step[],
  changes: boolean,
  kept: 'in the store' | 'in changelogs',
): Promise<Record<string, string[]>> {
  const v = await versions(build(PLAIN), { topics: TOPICS, ...(kept === 'in changelogs' && inChangelogs()) })
  let time = 1_000
  for (const { records, end, next } of steps) {
    for (const { topic, key, value, ahead } of records) {
      time += 3
      await v.t.send(topic, { key, value, timestamp: time + ahead })
    }
    await v.t.settle({ checkpoint: end !== 'crash without checkpoint' || !changes })
    if (changes && end !== 'go on') await v.become(build(next), { startEmpty: ['count', 'merge', 'table', 'exchange'] })
  }
  // Of each partition, so that everything closes.
  for (const topic of ['a', 'b', 'c'])
    for (const partition of [0, 1]) await v.t.send(topic, { key: 'z', value: 0, timestamp: 1_000_000, partition })
  await v.t.settle()
  const found: Record<string, string[]> = {}
  for (const topic of ['windows', 'all', 'shares', 'pairs']) {
    found[topic] = (await v.t.records(topic))
      .filter(({ key }) => key !== 'z')
      .map(({ key, value, timestamp, window }) => JSON.stringify([key, window?.start, timestamp, value]))
      .sort()
  }
  expect(v.t.errors).toEqual([])
  await v.t.stop()
  return found
}

test.each(['in the store', 'in changelogs'] as const)(
  'what is kept %s gives the same results as if the app had never stopped, whatever else comes, goes or changes places',
  async (kept) => {
    const variant = fc.record({
      isReversed: fc.boolean(),
      hasFilter: fc.boolean(),
      hasCount: fc.boolean(),
      hasMerge: fc.boolean(),
      hasTable: fc.boolean(),
      hasExchange: fc.boolean(),
    })
    const step = fc.record({
      records: fc.array(
        fc.record({
          topic: fc.constantFrom('a', 'b', 'c'),
          key: fc.constantFrom(...KEYS),
          value: fc.nat(9),
          ahead: fc.nat(BOUND / 2),
        }),
        { maxLength: 8 },
      ),
      end: fc.constantFrom<Step['end']>('go on', 'crash', 'crash without checkpoint'),
      next: variant,
    })
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 6 }), async (steps) => {
        expect(await run(steps, true, kept)).toEqual(await run(steps, false, kept))
      }),
      { numRuns: 25, seed: 7 },
    )
  },
  120_000,
)
