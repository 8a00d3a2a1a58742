import type { OperatorFunction } from 'rxjs'
import { hoppingWindow, type InWindow, sessionWindow, slidingWindow, tumblingWindow } from 'tidemark'
import type { AnyRecord } from './graph.js'
import type { NodeFields } from './nodeFields.js'

export interface DeclaredWindow {
  readonly declare: OperatorFunction<AnyRecord, InWindow<AnyRecord, null>>
  /** By how much Kafka Streams' window ends lie before ours. */
  readonly endShift: 0 | 1
}

/** Each type of window of the format, as one of ours. */
const WINDOWS: { readonly [type: string]: (fields: NodeFields) => DeclaredWindow } = {
  tumbling: (fields) => ({
    declare: tumblingWindow<AnyRecord>(fields.integer('sizeMs'), { grace: fields.integer('graceMs') }),
    endShift: 0,
  }),
  hopping: (fields) => ({
    declare: hoppingWindow<AnyRecord>(fields.integer('sizeMs'), fields.integer('advanceMs'), {
      grace: fields.integer('graceMs'),
    }),
    endShift: 0,
  }),
  sliding: (fields) => ({
    declare: slidingWindow<AnyRecord>(fields.integer('timeDifferenceMs'), { grace: fields.integer('graceMs') }),
    endShift: 1,
  }),
  session: (fields) => ({
    declare: sessionWindow<AnyRecord>(fields.integer('gapMs'), { grace: fields.integer('graceMs') }),
    endShift: 1,
  }),
}

export function windowOf(node: NodeFields): DeclaredWindow | undefined {
  return node.optionalObject('window', (fields) => {
    const type = fields.oneOf('type', Object.keys(WINDOWS))
    return (WINDOWS[type] as (typeof WINDOWS)[string])(fields)
  })
}
