import { expect, test } from '@jest/globals'
import * as tidemark from 'tidemark'
import { read } from '../laws/sources.js'

const value = (r: { value: any }) => r.value

/** One of each. */
const EACH: Record<string, (options: object) => tidemark.Aggregator<any, unknown, any>> = {
  count: tidemark.count,
  sum: () => tidemark.sum(value),
  avg: () => tidemark.avg(value),
  min: (options) => tidemark.min(value, options),
  max: (options) => tidemark.max(value, options),
  first: () => tidemark.first(),
  last: () => tidemark.last(),
  collect: () => tidemark.collect(),
  reduce: () => tidemark.reduce((a) => a),
  topK: (options) => tidemark.topK(1, value, options),
  countDistinct: () => tidemark.countDistinct(value),
  approxCountDistinct: () => tidemark.approxCountDistinct(value),
  histogram: () => tidemark.histogram(value, { buckets: [1] }),
  median: () => tidemark.median(value),
  quantiles: () => tidemark.quantiles(value, [0.5]),
  variance: () => tidemark.variance(value),
  stddev: () => tidemark.stddev(value),
  correlation: () => tidemark.correlation(value, value),
}

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
  const make = EACH[name] as (options: object) => tidemark.Aggregator<any, unknown, any>
  expect(make({}).remove !== undefined).toBe(removes === 'yes')
  expect(make({ retractable: true }).remove !== undefined).toBe(removes !== 'no')
  expect(make({}).merge !== undefined).toBe(merges === 'yes')
})
