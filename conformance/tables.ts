import { map } from 'rxjs'
import { toStream, toTable } from 'tidemark'
import type { AnyStream, Family, GlobalTableNode, TableNode } from './graph.js'
import type { StoreFields } from './nodeFields.js'

const historyOf = (store: StoreFields | undefined) =>
  store?.historyRetentionMs === undefined ? {} : { history: store.historyRetentionMs }

/** Tables: from topics and streams, and back to streams. */
export const tables: Family = {
  table(fields, _, graph) {
    const store = fields.optionalStore()
    const topic = fields.text('topic')
    const table = graph.sources.table(topic, { ...(store && { name: store.name }), ...historyOf(store) })
    const node: TableNode = { is: 'table', table, endShift: 0 }
    graph.store(store?.name, node, fields)
    return node
  },

  globalTable(fields, _, graph) {
    const node: GlobalTableNode = { is: 'global table', table: graph.sources.globalTable(fields.text('topic')) }
    graph.store(fields.store().name, node, fields)
    return node
  },

  toTable(fields, id, graph) {
    const store = fields.optionalStore()
    const stream = graph.byKey(graph.from(fields, 'stream'), id)
    const table = toTable(store?.name, stream, historyOf(store))
    const node: TableNode = { is: 'table', table, endShift: 0 }
    graph.store(store?.name, node, fields)
    return node
  },

  toStream: (fields, _, graph) => ({ is: 'stream', stream: streamOf(graph.from(fields, 'table')), isRekeyed: false }),
}

/** A table's changes as records, with windows as Kafka Streams shows them. */
function streamOf({ table, results, endShift }: TableNode): AnyStream {
  const stream: AnyStream = results ?? table.pipe(toStream())
  if (endShift === 0) return stream
  return stream.pipe(
    map(({ window, ...record }) =>
      window === undefined ? record : { ...record, window: { start: window.start, end: window.end - endShift } },
    ),
  )
}
