import { expect, test } from '@jest/globals'
import { type Changes, mergeInto } from '../../lib/replay/changes.js'

test('of one key the later change counts; what was gone and is there again comes last, as in a state', () => {
  const bytes = (...content: number[]) => new Uint8Array(content)
  const changes: Changes = new Map()
  mergeInto(
    changes,
    new Map([
      ['0_0', [['a', bytes(1)] as const, ['b', bytes(1)] as const]],
      ['0_1', [['a', bytes(9)] as const]],
    ]),
  )
  mergeInto(changes, new Map([['0_0', [['a', null] as const, ['b', bytes(2)] as const]]]))
  mergeInto(changes, new Map([['0_0', [['a', bytes(3)] as const]]]))
  expect([...changes].map(([task, entries]) => [task, ...entries])).toEqual([
    ['0_0', ['b', bytes(2)], ['a', bytes(3)]],
    ['0_1', ['a', bytes(9)]],
  ])
})
