import type { OutputRecord, TopologyNode, TraceCase, TraceFile, TraceStep } from '../../conformance/format.js'
import type { Json } from '../../conformance/json.js'

/** A count per key: the smallest topology with state, drops and a store. */
export const COUNT: readonly TopologyNode[] = [
  { id: 's', op: 'stream', topic: 'in' },
  { id: 'g', op: 'groupByKey', from: 's' },
  { id: 'c', op: 'count', from: 'g', store: { name: 'counts', kind: 'keyValue' } },
  { id: 'o', op: 'toStream', from: 'c' },
  { id: 't', op: 'to', from: 'o', topic: 'out' },
]

export const out = (key: string | null, value: Json, timestamp: number, topic = 'out'): OutputRecord => ({
  topic,
  key,
  value,
  timestamp,
})

export const step = (
  key: string | null,
  value: Json,
  timestamp: number,
  outputs: readonly OutputRecord[],
  rest: Partial<TraceStep> = {},
): TraceStep => ({ input: { topic: 'in', key, value, timestamp }, outputs, ...rest })

export const traceOf = (steps: readonly TraceStep[], stores: TraceCase['stores'] = {}): TraceCase => ({
  seed: 0,
  mode: 'scripted',
  steps,
  droppedTotal: steps.reduce((sum, { dropped = 0 }) => sum + dropped, 0),
  stores,
})

export const fileOf = (topology: readonly TopologyNode[], ...cases: readonly TraceCase[]): TraceFile => ({
  name: 'made',
  doc: '',
  topology,
  cases,
})
