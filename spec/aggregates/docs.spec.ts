import { expect, test } from '@jest/globals'
import { read } from '../laws/sources.js'
import { EACH } from './each.js'

const rows = read('docs/aggregators.md')
  .split('\n')
  .filter((line) => line.startsWith('| `'))
  .flatMap((line) => {
    const [, names = '', , , removes = '', merges = ''] = line.split('|').map((cell) => cell.trim())
    return [...names.matchAll(/`(\w+)\(/g)].map(([, name]) => ({ name: name as string, removes, merges }))
  })

test('docs/aggregators.md lists every aggregator', () => {
  expect(rows.map(({ name }) => name).sort()).toEqual(Object.keys(EACH).sort())
})

test.each(rows)('what it says of $name is so', ({ name, removes, merges }) => {
  const make = EACH[name] as (typeof EACH)[string]
  expect(make({}).remove !== undefined).toBe(removes === 'yes')
  expect(make({ retractable: true }).remove !== undefined).toBe(removes !== 'no')
  expect(make({}).merge !== undefined).toBe(merges === 'yes')
})
