import { foreignKeyJoin, globalTableJoin, streamStreamJoin, streamTableJoin } from 'tidemark'
import { type Family, keyFrom, type TableNode, variablesOf } from './graph.js'
import type { Given } from './json.js'

/** Joins. */
export const joins: Family = {
  foreignKeyJoin(fields, _, graph) {
    const [left, right] = graph.pair(fields)
    const kind = fields.oneOf('kind', ['inner', 'left'])
    const foreignKey = fields.expression('foreignKey', ['value'])
    const joiner = fields.expression('joiner', ['left', 'right'])
    const { name } = fields.store()
    const table = graph.get(left, 'table', fields).table.pipe(
      foreignKeyJoin(
        graph.get(right, 'table', fields).table,
        (value) => keyFrom(foreignKey, { value }),
        (ours, theirs) => joiner({ left: ours, right: theirs }) as Given,
        { kind, name },
      ),
    )
    const node: TableNode = { is: 'table', table, endShift: 0 }
    graph.store(name, node, fields)
    return node
  },

  streamStreamJoin(fields, id, graph) {
    const [left, right] = graph.pair(fields)
    const kind = fields.oneOf('kind', ['inner', 'left', 'outer'])
    const joiner = fields.expression('joiner', ['key', 'left', 'right'])
    const options = {
      before: fields.integer('beforeMs'),
      after: fields.integer('afterMs'),
      grace: fields.integer('graceMs'),
      kind,
      name: id,
    }
    const stream = (from: string, side: string) =>
      graph.byKey(graph.get(from, 'stream', fields), id, `${id}-${side}-by-key`)
    return {
      is: 'stream',
      stream: stream(left, 'left').pipe(
        streamStreamJoin(
          stream(right, 'right'),
          (ours, theirs, key) => joiner({ key, left: ours, right: theirs }),
          options,
        ),
      ),
      isRekeyed: false,
    }
  },

  streamGlobalTableJoin(fields, _, graph) {
    const [left, right] = graph.pair(fields)
    const kind = fields.oneOf('kind', ['inner', 'left'])
    const tableKey = fields.expression('tableKey', ['key', 'value'])
    const joiner = fields.expression('joiner', ['key', 'left', 'right'])
    const { stream, isRekeyed } = graph.get(left, 'stream', fields)
    return {
      is: 'stream',
      stream: stream.pipe(
        globalTableJoin(
          graph.get(right, 'global table', fields).table,
          (record) => keyFrom(tableKey, variablesOf(record)),
          (value, row, record) => joiner({ key: record.key, left: value, right: row }),
          { kind },
        ),
      ),
      isRekeyed,
    }
  },

  streamTableJoin(fields, id, graph) {
    const [left, right] = graph.pair(fields)
    const kind = fields.oneOf('kind', ['inner', 'left'])
    const joiner = fields.expression('joiner', ['key', 'left', 'right'])
    const grace = fields.optionalInteger('graceMs')
    const stream = graph.byKey(graph.get(left, 'stream', fields), id)
    const { table } = graph.get(right, 'table', fields)
    return {
      is: 'stream',
      stream: stream.pipe(
        streamTableJoin(table, (value, row, record) => joiner({ key: record.key, left: value, right: row }), {
          kind,
          ...(grace !== undefined && { grace, name: id }),
        }),
      ),
      isRekeyed: false,
    }
  },
}
