import { expect, test } from '@jest/globals'
import { SeriesState } from '../../lib/task/seriesState.js'
import { ClosedWindows } from '../../lib/windows/closedWindows.js'

test('what is due stays due, whatever those who read it say then; the next window waits for them anew', () => {
  const series = new SeriesState<unknown>('closed', { tracked: false, restored: () => [] })
  let isMet = false
  const closed = new ClosedWindows({ series: () => series } as never, 5, () => isMet)
  const add = (key: string, end: number) =>
    closed.add({ key, value: 1, timestamp: 1, dirty: false, deleted: false }, { start: 0, end })
  expect(closed.due()).toBe(Number.POSITIVE_INFINITY)
  add('a', 10)
  add('b', 10)
  add('c', 20)
  expect(closed.due()).toBe(Number.POSITIVE_INFINITY)
  isMet = true
  expect(closed.due()).toBe(15)
  isMet = false
  expect(closed.due()).toBe(15)
  closed.fireNext()
  expect(closed.due()).toBe(15)
  closed.fireNext()
  expect(closed.due()).toBe(Number.POSITIVE_INFINITY)
  expect([...closed.windows.all()].map(({ key }) => key)).toEqual(['c'])
})
