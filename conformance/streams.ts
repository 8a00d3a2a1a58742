import { filter, map, merge } from 'rxjs'
import { flatMap, mapValues, selectKey, split } from 'tidemark'
import {
  type AnyRecord,
  type AnyStream,
  type Branches,
  type Build,
  type Family,
  holds,
  keyFrom,
  OF_RECORD,
  type StreamNode,
  variablesOf,
} from './graph.js'
import type { Json } from './json.js'

const made = (stream: AnyStream, isRekeyed: boolean): StreamNode => ({ is: 'stream', stream, isRekeyed })

/** A record with another key, which has no window. */
function rekeyed({ window: _, ...record }: AnyRecord, key: string | null, value: Json): AnyRecord {
  const { final: __, ...plain } = record as AnyRecord & { final?: boolean }
  return { ...plain, key, value }
}

const filtered =
  (wanted: boolean): Build =>
  (fields, _, graph) => {
    const { stream, isRekeyed } = graph.from(fields, 'stream')
    const predicate = fields.expression('predicate', OF_RECORD)
    return made(stream.pipe(filter((record) => holds(predicate, variablesOf(record)) === wanted)), isRekeyed)
  }

/** Streams, and what needs no state. */
export const streams: Family = {
  stream: (fields, _, { sources }) => made(sources.stream(fields.text('topic')), false),

  filter: filtered(true),
  filterNot: filtered(false),

  mapValues(fields, _, graph) {
    const { stream, isRekeyed } = graph.from(fields, 'stream')
    const value = fields.expression('value', OF_RECORD)
    return made(stream.pipe(mapValues((_old, record) => value(variablesOf(record)))), isRekeyed)
  },

  map(fields, _, graph) {
    const { stream } = graph.from(fields, 'stream')
    const key = fields.expression('key', OF_RECORD)
    const value = fields.expression('value', OF_RECORD)
    return made(
      stream.pipe(
        map((record) => {
          const variables = variablesOf(record)
          return rekeyed(record, keyFrom(key, variables), value(variables))
        }),
      ),
      true,
    )
  },

  selectKey(fields, _, graph) {
    const { stream } = graph.from(fields, 'stream')
    const key = fields.expression('key', OF_RECORD)
    return made(
      stream.pipe(
        selectKey((record) => keyFrom(key, variablesOf(record))),
        map((record) => rekeyed(record, record.key, record.value)),
      ),
      true,
    )
  },

  flatMap(fields, _, graph) {
    const { stream } = graph.from(fields, 'stream')
    const entries = fields.list('records', (entry) => ({
      when: entry.expression('when', OF_RECORD),
      key: entry.expression('key', OF_RECORD),
      value: entry.expression('value', OF_RECORD),
    }))
    return made(
      stream.pipe(
        flatMap((record: AnyRecord) => {
          const variables = variablesOf(record)
          return entries
            .filter(({ when }) => holds(when, variables))
            .map(({ key, value }) => rekeyed(record, keyFrom(key, variables), value(variables)))
        }),
      ),
      true,
    )
  },

  flatMapValues(fields, _, graph) {
    const { stream, isRekeyed } = graph.from(fields, 'stream')
    const entries = fields.list('records', (entry) => ({
      when: entry.expression('when', OF_RECORD),
      value: entry.expression('value', OF_RECORD),
    }))
    return made(
      stream.pipe(
        flatMap((record: AnyRecord) => {
          const variables = variablesOf(record)
          return entries
            .filter(({ when }) => holds(when, variables))
            .map(({ value }) => ({ ...record, value: value(variables) }))
        }),
      ),
      isRekeyed,
    )
  },

  merge(fields, _, graph) {
    const inputs = fields.texts('from').map((id) => graph.get(id, 'stream', fields))
    return made(
      merge(...inputs.map((input) => input.stream)),
      inputs.some((input) => input.isRekeyed),
    )
  },

  split(fields, _, graph) {
    const { stream, isRekeyed } = graph.from(fields, 'stream')
    const cases = fields.list('branches', (branch) => ({
      name: branch.text('name'),
      predicate: branch.expression('predicate', OF_RECORD),
    }))
    const rest = fields.take('default')
    if (rest !== null && rest !== undefined && typeof rest !== 'string')
      throw fields.error('default must be a name or null')
    // By number: any name will do in the format, and ours has one of its own for the rest.
    const taken = cases.map(
      ({ predicate }, index) =>
        [`case ${index}`, (record: AnyRecord) => holds(predicate, variablesOf(record))] as const,
    )
    const streams = split(stream, Object.fromEntries(taken))
    const branches: Branches = Object.fromEntries(
      cases.map(({ name }, index) => [name, made(streams[`case ${index}`] as AnyStream, isRekeyed)]),
    )
    return { branches: typeof rest === 'string' ? { ...branches, [rest]: made(streams.rest, isRekeyed) } : branches }
  },

  repartition(fields, id, graph) {
    const { stream } = graph.from(fields, 'stream')
    return made(graph.repartition(stream, id), false)
  },

  to(fields, id, graph) {
    graph.sources.to(id, fields.text('topic'), graph.from(fields, 'stream').stream)
    return undefined
  },
}
