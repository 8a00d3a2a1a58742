import { describe, expect, test } from '@jest/globals'
import { memory } from 'tidemark'
import type { OutputRecord, TopologyNode } from '../../conformance/format.js'
import { runFile } from '../../conformance/runFile.js'
import { COUNT, fileOf, out, step, traceOf } from './traces.js'

const errorOf = async (topology: readonly TopologyNode[]) => {
  const report = await runFile(fileOf(topology, traceOf([step('a', 1, 1, [])])), { store: memory })
  return report.cases[0]?.difference?.error
}
const changed = (id: string, fields: TopologyNode | { readonly [field: string]: never } | object) =>
  COUNT.map((node) => (node.id === id ? ({ ...node, ...fields } as TopologyNode) : node))

describe('a topology is refused, with the node and the reason,', () => {
  test.each<{ name: string; topology: readonly TopologyNode[]; says: string }>([
    {
      name: 'for an operator that does not exist',
      topology: changed('c', { op: 'guess' }),
      says: 'node c (guess): there is no operator guess',
    },
    {
      name: 'nor for what objects have',
      topology: changed('c', { op: 'toString' }),
      says: 'there is no operator toString',
    },
    {
      name: 'for an unknown field',
      topology: changed('c', { evict: 5 }),
      says: 'node c (count): no such field: evict',
    },
    {
      name: 'for an unknown field of a store',
      topology: changed('c', { store: { name: 'counts', kind: 'keyValue', cached: true } }),
      says: 'node c (count), store: no such field: cached',
    },
    {
      name: 'for a kind of store that does not exist',
      topology: changed('c', { store: { name: 'counts', kind: 'heap' } }),
      says: 'store: kind must be one of keyValue, versioned, window, session, got "heap"',
    },
    {
      name: 'for a missing field',
      topology: changed('c', { store: undefined }),
      says: 'node c (count): store is missing',
    },
    {
      name: 'for an unknown window',
      topology: changed('c', { window: { type: 'moon', sizeMs: 5 } }),
      says: 'node c (count), window: type must be one of tumbling',
    },
    {
      name: 'for a field of another window',
      topology: changed('c', { window: { type: 'tumbling', sizeMs: 5, graceMs: 0, gapMs: 5 } }),
      says: 'node c (count), window: no such field: gapMs',
    },
    {
      name: 'for a bad number',
      topology: changed('c', { window: { type: 'tumbling', sizeMs: -5, graceMs: 0 } }),
      says: 'window: sizeMs must be an integer of at least 0, got -5',
    },
    {
      name: 'for a bad expression',
      topology: [...COUNT, { id: 'f', op: 'filter', from: 's', predicate: ['is', ['value']] }],
      says: 'node f (filter): predicate: expression ["is",["value"]]: there is no operation is',
    },
    {
      name: 'for a node that is not there',
      topology: changed('g', { from: 'x' }),
      says: 'node g (groupByKey): it reads x',
    },
    {
      name: 'for a node of another sort',
      topology: changed('c', { from: 's' }),
      says: 'node c (count): it reads a grouped, and s is a stream',
    },
    {
      name: 'for an id used twice',
      topology: changed('g', { id: 's', from: 's' }),
      says: 'node s (groupByKey): another node has this id',
    },
    {
      name: 'for a store used twice',
      topology: [...COUNT, { id: 'd', op: 'count', from: 'g', store: { name: 'counts', kind: 'keyValue' } }],
      says: 'another node has a store counts',
    },
  ])('$name', async ({ topology, says }) => expect(await errorOf(topology)).toContain(says))
})

describe('a record without a key', () => {
  const toNull = { id: 'k', op: 'selectKey', from: 's', key: null }
  const join = (from: string, kind: string) => ({
    id: 'j',
    op: 'streamTableJoin',
    from: [from, 't'],
    kind,
    joiner: ['right'],
  })
  const table = { id: 't', op: 'table', topic: 'rows', store: { name: 'rows', kind: 'keyValue' } }
  const last = { id: 'o', op: 'to', from: 'j', topic: 'out' }
  const [source] = COUNT as [TopologyNode]
  const nulls = [out(null, null, 1)]
  const again = { id: 'r', op: 'repartition', from: 'k' }
  const value = { id: 'v', op: 'mapValues', from: 'r', value: ['value'] }
  const grouped = [
    { id: 'g', op: 'groupByKey', from: 'k' },
    { id: 'c', op: 'count', from: 'g', store: { name: 'counts', kind: 'keyValue' } },
    { id: 'u', op: 'toStream', from: 'c' },
  ]
  test.each<{ name: string; nodes: readonly TopologyNode[]; outputs: readonly OutputRecord[]; dropped: number }>([
    { name: 'comes before a left join', nodes: [join('k', 'left')], outputs: nulls, dropped: 0 },
    { name: 'does not before an inner one', nodes: [join('k', 'inner')], outputs: [], dropped: 0 },
    { name: 'comes through an explicit repartition', nodes: [again, join('r', 'left')], outputs: nulls, dropped: 0 },
    { name: 'and what stands between', nodes: [again, value, join('v', 'left')], outputs: nulls, dropped: 0 },
    {
      name: 'reaches an aggregation that a left join follows',
      nodes: [...grouped, join('u', 'left')],
      outputs: [],
      dropped: 1,
    },
    {
      name: 'but not one that an inner join follows',
      nodes: [...grouped, join('u', 'inner')],
      outputs: [],
      dropped: 0,
    },
  ])('$name', async ({ nodes, outputs, dropped }) => {
    const topology = [source, table, toNull, ...nodes, last]
    const trace = traceOf([step('a', 1, 1, outputs, { dropped })])
    const report = await runFile(fileOf(topology, trace), { store: memory })
    expect(report.cases[0]).toMatchObject({ isPassed: true, dropped: { got: dropped } })
  })
})

test('what nothing reads runs all the same', async () => {
  const loose = COUNT.filter(({ op }) => op !== 'toStream' && op !== 'to')
  const stores = { counts: { kind: 'keyValue' as const, entries: [{ key: 'a', value: 1, timestamp: 7 }] } }
  const report = await runFile(
    fileOf(loose, traceOf([step('a', 1, 7, []), step(null, 1, 8, [], { dropped: 1 })], stores)),
    {
      store: memory,
    },
  )
  expect(report.cases[0]).toMatchObject({ isPassed: true, dropped: { got: 1 }, stores: [{ isEqual: true }] })
})
