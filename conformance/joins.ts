import { streamTableJoin } from 'tidemark'
import type { Family } from './graph.js'

/** Joins. */
export const joins: Family = {
  streamTableJoin(fields, id, graph) {
    const [left, right] = graph.pair(fields)
    const kind = fields.oneOf('kind', ['inner', 'left'])
    const joiner = fields.expression('joiner', ['key', 'left', 'right'])
    const stream = graph.byKey(graph.get(left, 'stream', fields), `${id}-by-key`, kind === 'left' ? 'keep' : 'drop')
    const { table } = graph.get(right, 'table', fields)
    return {
      is: 'stream',
      stream: stream.pipe(
        streamTableJoin(table, (value, row, record) => joiner({ key: record.key, left: value, right: row }), { kind }),
      ),
      isRekeyed: false,
    }
  },
}
