import { type Aggregator, aggregate, cogroup, count, reduce, toTable } from 'tidemark'
import {
  type AnyRecord,
  type AnyStream,
  type Build,
  type Family,
  keyFrom,
  OF_RECORD,
  type TableNode,
  variablesOf,
} from './graph.js'
import type { Json } from './json.js'
import type { NodeFields } from './nodeFields.js'
import { windowOf } from './windows.js'

type AnyAggregator = Aggregator<AnyRecord, unknown, Json>

/** An aggregation of a grouped stream: the aggregator is what its fields say. */
const aggregated =
  (aggregatorOf: (fields: NodeFields) => AnyAggregator): Build =>
  (fields, _, graph) => {
    const { stream } = graph.from(fields, 'grouped')
    const window = windowOf(fields)
    const emit = fields.optionalText('emit')
    if (emit !== undefined && emit !== 'onWindowClose') throw fields.error(`emit may be onWindowClose, got ${emit}`)
    const { name, retentionMs } = fields.store()
    const results = (window === undefined ? stream : stream.pipe(window.declare)).pipe(
      aggregate(aggregatorOf(fields), {
        name,
        emit: emit === undefined ? 'update' : 'close',
        ...(window !== undefined && retentionMs !== undefined && { retention: retentionMs }),
      }),
    ) as AnyStream
    const node: TableNode = {
      is: 'table',
      table: toTable(name, results),
      endShift: window?.endShift ?? 0,
      results,
    }
    graph.store(name, node, fields)
    return node
  }

/** How sessions merge, if the node says it. */
function mergeOf(fields: NodeFields): Pick<AnyAggregator, 'merge'> {
  const merger = fields.optionalExpression('sessionMerger', ['key', 'left', 'right'])
  return merger === undefined ? {} : { merge: (left, right, key) => merger({ key: key as Json, left, right }) }
}

/** Several grouped streams as one table: windows, as Kafka Streams declares them on all at once. */
const cogrouped: Build = (fields, _, graph) => {
  const window = windowOf(fields)
  const initializer = fields.expression('initializer', [])
  const groups = fields.list('groups', (group) => {
    const { stream } = graph.from(group, 'grouped')
    const add = group.expression('aggregator', [...OF_RECORD, 'agg'])
    return [
      window === undefined ? stream : stream.pipe(window.declare),
      (agg: Json, record: AnyRecord): Json => add({ ...variablesOf(record), agg }),
    ] as const
  })
  const { name, retentionMs } = fields.store()
  const results = cogroup({ init: () => initializer({}), ...mergeOf(fields) }, groups as never, {
    name,
    ...(window !== undefined && retentionMs !== undefined && { retention: retentionMs }),
  }) as AnyStream
  const node: TableNode = { is: 'table', table: toTable(name, results), endShift: window?.endShift ?? 0, results }
  graph.store(name, node, fields)
  return node
}

/** Grouped streams, and what becomes of them. */
export const aggregates: Family = {
  groupByKey: (fields, id, graph) => ({ is: 'grouped', stream: graph.byKey(graph.from(fields, 'stream'), id) }),

  groupBy(fields, id, graph) {
    const { stream } = graph.from(fields, 'stream')
    const key = fields.expression('key', OF_RECORD)
    return {
      is: 'grouped',
      stream: graph.repartition(stream, id, id, (record) => keyFrom(key, variablesOf(record))),
    }
  },

  cogroup: cogrouped,

  count: aggregated(() => count() as AnyAggregator),

  reduce: aggregated((fields) => {
    const reducer = fields.expression('reducer', ['agg', 'value'])
    return reduce<Json>((agg, value) => reducer({ agg, value }))
  }),

  aggregate: aggregated((fields) => {
    const initializer = fields.expression('initializer', [])
    const aggregator = fields.expression('aggregator', [...OF_RECORD, 'agg'])
    return {
      init: () => initializer({}),
      add: (agg, record) => aggregator({ ...variablesOf(record), agg }),
      ...mergeOf(fields),
    }
  }),
}
