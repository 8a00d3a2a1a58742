import { expect, test } from '@jest/globals'
import fc from 'fast-check'
import { aggregate, collect, json, keyBy, mapValues, toTopic, tumblingWindow } from 'tidemark'
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

test('what is on time in its partition is on time behind two shuffles, in whatever order tasks run, crash and move', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), async (steps) => {
      const maxOutOfOrderness = disorderOf(steps)
      const t = await testApp(
        (app) =>
          app.run(
            'windows',
            app.stream<Click>('in', { value: json(), watermark: { maxOutOfOrderness } }).pipe(
              keyBy(({ value }) => value.user, { name: 'user' }),
              mapValues((click) => click),
              keyBy(({ value }) => value.page, { name: 'page' }),
              mapValues(({ id }) => id),
              tumblingWindow(SIZE_MS),
              aggregate(collect(), { name: 'windows', emit: 'close' }),
              toTopic('out'),
            ),
          ),
        { topics: { in: PARTITIONS, out: 1 } },
      )
      const clicks: { id: number; page: string; time: number }[] = []
      let members = 1
      for (const one of steps) {
        if (one.do === 'click') {
          const click = { id: clicks.length, user: one.user, page: one.page }
          clicks.push({ id: click.id, page: one.page, time: one.time })
          await t.send('in', { key: null, value: click, timestamp: one.time, partition: one.partition })
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
      for (let partition = 0; partition < PARTITIONS; partition++)
        await t.send('in', { key: null, value: { id: -1, user: 'x', page: 'x' }, timestamp: END, partition })
      await t.settle()
      const errors = t.errors.map((error) => error.message)
      const dropped = t.app.stats().tasks.flatMap((task) => task.dropped)
      const out = (await t.records('out')).map(
        ({ key, value, window }) => `${key} ${window?.start}: ${(value as number[]).sort((a, b) => a - b)}`,
      )
      await t.stop()
      expect(errors).toEqual([])
      expect(dropped).toEqual([])
      expect(out.sort()).toEqual(windowsOf(clicks))
    }),
    { seed: 1, numRuns: 60 },
  )
})
