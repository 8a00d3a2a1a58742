import { expect, test } from '@jest/globals'
import fc from 'fast-check'
import { LiveEntries } from '../../lib/marbles/liveEntries.js'
import type { TracedState } from '../../lib/task/traceEvent.js'

const change = (id: number, key: string, value: number | undefined, task = '0_0'): TracedState => ({
  type: 'state',
  id,
  task,
  node: '0.1',
  operator: 'counts',
  cause: undefined,
  state: 'counts',
  key,
  window: undefined,
  at: undefined,
  value,
  isDeleted: value === undefined,
  was: undefined,
})

const seen = ({ all }: LiveEntries) => [...all.values()].map(({ task, key, value }) => [task, key, value])

test('entries that changed long ago are there still after a step back', () => {
  const entries = new LiveEntries(5)
  for (let id = 1; id <= 1_000; id++) entries.add(change(id, `k${id}`, id))
  entries.truncate(999)
  expect(entries.all.size).toBe(999)
  expect(entries.isPartial).toBe(false)
})

test('one key in two tasks is two entries', () => {
  const entries = new LiveEntries(5)
  entries.add(change(1, 'k', 1, '0_0'))
  entries.add(change(2, 'k', 2, '0_1'))
  expect(seen(entries)).toEqual([
    ['0_0', 'k', 1],
    ['0_1', 'k', 2],
  ])
})

test('gone back far, what has changed since is missing until it is told of again', () => {
  const entries = new LiveEntries(2)
  entries.add(change(1, 'old', 1))
  for (let id = 2; id <= 20; id++) entries.add(change(id, 'k', id))
  entries.truncate(3)
  expect(seen(entries)).toEqual([['0_0', 'old', 1]])
  expect(entries.isPartial).toBe(true)
  entries.add(change(21, 'k', 3))
  expect(entries.isPartial).toBe(false)
})

test('cut back to an event they are what they were then, or say that some are missing', () => {
  const changes = fc.array(fc.tuple(fc.constantFrom('a', 'b', 'c'), fc.option(fc.nat(9), { nil: undefined })))
  fc.assert(
    fc.property(changes, fc.nat(), fc.integer({ min: 1, max: 8 }), (drafts, cut, keep) => {
      const all = drafts.map(([key, value], n) => change(n + 1, key, value))
      const id = cut % (all.length + 1)
      const [entries, then] = [new LiveEntries(keep), new LiveEntries(1_000)]
      for (const event of all) entries.add(event)
      for (const event of all.slice(0, id)) then.add(event)
      entries.truncate(id)
      if (all.length - id <= keep) {
        expect(entries.isPartial).toBe(false)
        expect(seen(entries)).toEqual(seen(then))
      } else for (const entry of seen(entries)) expect(seen(then)).toContainEqual(entry)
      for (const event of all.slice(id)) entries.add(event)
      const bySight = (list: unknown[][]) => list.map((entry) => JSON.stringify(entry)).sort()
      const whole = new LiveEntries(1_000)
      for (const event of all) whole.add(event)
      if (!entries.isPartial && all.length - id <= keep) expect(bySight(seen(entries))).toEqual(bySight(seen(whole)))
    }),
    { seed: 5, numRuns: 300 },
  )
})
