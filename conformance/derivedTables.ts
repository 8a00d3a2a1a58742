import {
  type Aggregator,
  count,
  type GroupedRow,
  json,
  reduce,
  type SuppressOptions,
  string,
  suppress,
  type Table,
  type TableRow,
  tableFilter,
  tableGroupBy,
  tableMapValues,
  tableTableJoin,
  type Window,
} from 'tidemark'

import type { Variables } from './expression.js'
import {
  type AnyTable,
  type Build,
  type Family,
  type Graph,
  holds,
  keyFrom,
  OF_RECORD,
  type TableNode,
} from './graph.js'
import type { Given, Json } from './json.js'
import type { NodeFields } from './nodeFields.js'

type AnyRow = TableRow<string, Given, Window | undefined>

/** The variables of an expression about a row, with windows as Kafka Streams shows them. */
function variablesOf({ key, value, window }: AnyRow, endShift: number): Variables {
  return window === undefined
    ? { key, value }
    : { key, value, windowStart: window.start, windowEnd: window.end - endShift }
}

/** A table of windows and one without, alike. */
const anyTable = (table: AnyTable) => table as unknown as Table<string, Given, Window | undefined>

function made(table: unknown, endShift: 0 | 1, fields: NodeFields, graph: Graph, name: string | undefined): TableNode {
  const node: TableNode = { is: 'table', table: table as AnyTable, endShift }
  graph.store(name, node, fields)
  return node
}

const filtered =
  (wanted: boolean): Build =>
  (fields, _, graph) => {
    const { table, endShift } = graph.from(fields, 'table')
    const predicate = fields.expression('predicate', OF_RECORD)
    const name = fields.optionalStore()?.name
    const passes = (row: AnyRow) => holds(predicate, variablesOf(row, endShift)) === wanted
    return made(tableFilter(passes, name === undefined ? {} : { name })(anyTable(table)), endShift, fields, graph, name)
  }

/** An aggregation of a grouped table: the aggregator is what its fields say. */
const aggregated =
  (aggregatorOf: (fields: NodeFields) => Aggregator<GroupedRow<Json>, unknown, any>): Build =>
  (fields, _, graph) => {
    const { of, key, value } = graph.from(fields, 'grouped table')
    const { name } = fields.store()
    const grouped = tableGroupBy((row: AnyRow) => keyFrom(key, variablesOf(row, of.endShift)), aggregatorOf(fields), {
      name,
      select: (row) => value(variablesOf(row, of.endShift)),
      key: string(),
      value: json<Json>(),
    })
    graph.uncounted.add('tableGroupBy')
    return made(grouped(anyTable(of.table)), 0, fields, graph, name)
  }

/** Tables made of tables. */
export const derivedTables: Family = {
  tableFilter: filtered(true),
  tableFilterNot: filtered(false),

  tableMapValues(fields, _, graph) {
    const { table, endShift } = graph.from(fields, 'table')
    const value = fields.expression('value', OF_RECORD)
    const name = fields.optionalStore()?.name
    const mapped = tableMapValues(
      (_old: Given, row: AnyRow) => value(variablesOf(row, endShift)),
      name === undefined ? {} : { name },
    )
    return made(mapped(anyTable(table)), endShift, fields, graph, name)
  },

  tableGroupBy: (fields, _, graph) => ({
    is: 'grouped table',
    of: graph.from(fields, 'table'),
    key: fields.expression('key', OF_RECORD),
    value: fields.expression('value', OF_RECORD),
  }),

  tableCount: aggregated(() => count()),

  tableReduce: aggregated((fields) => {
    const adder = fields.expression('adder', ['agg', 'value'])
    const subtractor = fields.expression('subtractor', ['agg', 'value'])
    return reduce<Json>(
      (agg, value) => adder({ agg, value }),
      (agg, value) => subtractor({ agg, value }),
    )
  }),

  tableAggregate: aggregated((fields) => {
    const initializer = fields.expression('initializer', [])
    const adder = fields.expression('adder', ['key', 'value', 'agg'])
    const subtractor = fields.expression('subtractor', ['key', 'value', 'agg'])
    return {
      init: () => initializer({}),
      add: (agg, { key, value }) => adder({ key: key as string, value, agg }),
      remove: (agg, { key, value }) => subtractor({ key: key as string, value, agg }),
    }
  }),

  suppress(fields, id, graph) {
    const { table, endShift } = graph.from(fields, 'table')
    const until = fields.oneOf('until', ['windowCloses', 'timeLimit'])
    const maxRecords = fields.optionalInteger('maxRecords')
    const options: SuppressOptions =
      until === 'windowCloses'
        ? { name: id, until: 'close' }
        : { name: id, until: fields.integer('timeLimitMs'), ...(maxRecords !== undefined && { maxRecords }) }
    return made(
      suppress<string, Given, Window | undefined>(options)(anyTable(table)),
      endShift,
      fields,
      graph,
      undefined,
    )
  },

  tableTableJoin(fields, _, graph) {
    const [left, right] = graph.pair(fields)
    const { table, endShift } = graph.get(left, 'table', fields)
    const other = graph.get(right, 'table', fields)
    const kind = fields.oneOf('kind', ['inner', 'left', 'outer'])
    const joiner = fields.expression('joiner', ['left', 'right'])
    const name = fields.optionalStore()?.name
    const join = tableTableJoin(
      anyTable(other.table),
      (ours: Given | null, theirs: Given | null) => joiner({ left: ours, right: theirs }),
      { kind, ...(name !== undefined && { name }) },
    )
    return made(join(anyTable(table)), endShift, fields, graph, name)
  },
}
