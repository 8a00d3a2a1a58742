import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { tap } from 'rxjs'
import {
  aggregate,
  collect,
  json,
  keyBy,
  mapValues,
  type StreamRecord,
  sideOutput,
  toTopic,
  tumblingWindow,
} from 'tidemark'
import { testApp } from 'tidemark/testing'

const PARTITIONS = 3
const SIZE_MS = 20
const END = 1_000_000

interface Click {
  readonly id: number
  readonly user: string
  readonly page: string
}

type Step =
  | {
      readonly do: 'click'
      readonly id: number
      readonly partition: number
      readonly user: string
      readonly page: string
      readonly time: number
    }
  | { readonly do: 'handle' | 'checkpoint' | 'crash' | 'join' | 'leave' }

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('click' as const),
      id: fc.constant(0),
      partition: fc.nat(PARTITIONS - 1),
      user: fc.constantFrom('ann', 'bob', 'cid', 'dan'),
      page: fc.constantFrom('p', 'q', 'r'),
      time: fc.nat(200),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constantFrom(
        'handle' as const,
        'checkpoint' as const,
        'crash' as const,
        'join' as const,
        'leave' as const,
      ),
    }),
  },
)

/** How far behind the newest of its partition a record comes, at most. */
function disorderOf(steps: readonly Step[]): number {
  const newest = new Array<number>(PARTITIONS).fill(0)
  let most = 0
  for (const one of steps) {
    if (one.do !== 'click') continue
    newest[one.partition] = Math.max(newest[one.partition] as number, one.time)
    most = Math.max(most, (newest[one.partition] as number) - one.time)
  }
  return most
}

/** Windows by page: which clicks are in them. */
function windowsOf(clicks: readonly { id: number; page: string; time: number }[]): string[] {
  const windows = new Map<string, number[]>()
  for (const { id, page, time } of clicks) {
    const window = `${page} ${time - (time % SIZE_MS)}`
    windows.set(window, [...(windows.get(window) ?? []), id])
  }
  return [...windows].map(([window, ids]) => `${window}: ${ids.sort((a, b) => a - b)}`).sort()
}

interface Outcome {
  readonly errors: readonly string[]
  readonly out: readonly string[]
}

/** Runs the steps with two shuffles one behind the other; then a record at the end of time in every partition of every topic. */
async function run(steps: readonly Step[], watermark: { maxOutOfOrderness: number } | undefined): Promise<Outcome> {
  const late: unknown[] = []
  const t = await testApp(
    (app) => {
      const dropped = sideOutput<StreamRecord<string, number>>('late')
      app.run(
        'windows',
        app.stream<Click>('in', { value: json(), ...(watermark && { watermark }) }).pipe(
          keyBy(({ value }) => value.user, { name: 'user' }),
          mapValues((click) => click),
          keyBy(({ value }) => value.page, { name: 'page' }),
          mapValues(({ id }) => id),
          tumblingWindow(SIZE_MS, { late: dropped }),
          aggregate(collect(), { name: 'windows', emit: 'close' }),
          toTopic('out'),
        ),
      )
      app.run('late', dropped.pipe(tap((record) => late.push(record))))
    },
    { topics: { in: PARTITIONS, out: 1 } },
  )
  let members = 1
  for (const one of steps) {
    if (one.do === 'click') {
      const { id, user, page } = one
      await t.send('in', { key: null, value: { id, user, page }, timestamp: one.time, partition: one.partition })
    } else if (one.do === 'handle') await t.settle({ checkpoint: false })
    else if (one.do === 'checkpoint') await t.settle()
    else if (one.do === 'crash') {
      await t.crash()
      await t.restart()
    } else if (one.do === 'join' && members < 3) {
      members++
      await t.addMember()
    } else if (one.do === 'leave' && members > 1) {
      members--
      await t.removeMember()
    }
  }
  for (let partition = 0; partition < PARTITIONS; partition++) {
    // Of so many names each partition gets one.
    const ends = Array.from({ length: 20 }, (_, n) => ({ id: -1, user: `end ${n}`, page: `end ${n}` }))
    await t.send(
      'in',
      ends.map((value) => ({ key: null, value, timestamp: END, partition })),
    )
  }
  await t.settle()
  const errors = t.errors.map((error) => error.message)
  const out = (await t.records('out')).map(
    ({ key, value, window }) => `${key} ${window?.start}: ${(value as number[]).sort((a, b) => a - b)}`,
  )
  await t.stop()
  return { errors: late.length > 0 ? [`${late.length} were late`, ...errors] : errors, out: out.sort() }
}

const scenario = fc
  .array(step, { minLength: 5, maxLength: 40 })
  .map((steps) => steps.map((one, id): Step => (one.do === 'click' ? { ...one, id } : one)))

const clicksOf = (steps: readonly Step[]) => steps.flatMap((one) => (one.do === 'click' ? [one] : []))

describe('what is on time in its partition is on time behind two shuffles, in whatever order tasks run, crash and move', () => {
  test('with a watermark', async () => {
    await fc.assert(
      fc.asyncProperty(scenario, async (steps) => {
        const maxOutOfOrderness = disorderOf(steps)
        expect(await run(steps, { maxOutOfOrderness })).toEqual({ errors: [], out: windowsOf(clicksOf(steps)) })
      }),
      { seed: 1, numRuns: 40 },
    )
  })

  test('in stream time, where each partition has records, and in order', async () => {
    // One that never had a record holds back nobody: there is no telling whether it ever will.
    const first = Array.from(
      { length: PARTITIONS },
      (_, n): Step => ({ do: 'click', id: -2 - n, partition: n, user: 'ann', page: 'p', time: 0 }),
    )
    await fc.assert(
      fc.asyncProperty(scenario, async (given) => {
        const steps = [...first, ...given]
        const times = Array.from({ length: PARTITIONS }, (_, partition) =>
          clicksOf(steps)
            .filter((click) => click.partition === partition)
            .map(({ time }) => time)
            .sort((a, b) => b - a),
        )
        const sorted = steps.map((one) =>
          one.do === 'click' ? { ...one, time: times[one.partition]?.pop() as number } : one,
        )
        expect(await run(sorted, undefined)).toEqual({ errors: [], out: windowsOf(clicksOf(sorted)) })
      }),
      { seed: 2, numRuns: 40 },
    )
  })
})
