import { MANIFEST, type Manifest } from '../app/checkpoint.js'
import type { Broker, StoreAdapter } from '../index.js'
import { loadAll } from '../ports/loadAll.js'
import { show } from '../record/errors.js'
import { utf8 } from '../record/serde.js'
import { recordText, sideBySide } from './recordText.js'
import type { ReadRecord } from './testTopics.js'

/** Order that must be the same: of all records of a partition, or of those with one key. */
export type Order = 'perPartition' | 'perKey'

/** What a run has left behind, as text: by topic and partition the records in their order, and what the last checkpoints hold. */
export interface Outcome {
  readonly records: readonly {
    readonly topic: string
    readonly partition: number
    readonly key: string
    readonly text: string
  }[]
  readonly states: ReadonlyMap<string, readonly string[]>
}

export function recordsOf(records: readonly ReadRecord[]): Outcome['records'] {
  return records.map((record) => ({
    topic: record.topic,
    partition: record.partition,
    key: typeof record.key === 'string' ? record.key : show(record.key),
    text: [
      recordText({ ...record, topic: undefined, partition: undefined }),
      ...record.headers.map(([name, value]) => `${name}=${value === null ? 'null' : utf8.decode(value)}`),
    ].join(' '),
  }))
}

/** Of a record that an operator keeps. In internal topics the ends of transactions and words about time take offsets too. */
const OFFSET = /"offset":\d+/g
const STATE = /^s\/([^/]+)\/(.*)$/s

/** What the checkpoints of an app hold of its states, entry by entry, and how far time has come in each task. */
export async function statesOf(store: StoreAdapter, app: string): Promise<Outcome['states']> {
  const found = new Map<string, string[]>()
  const prefix = `task/${app}/`
  for (const scope of await store.scopes()) {
    if (!scope.startsWith(prefix)) continue
    for (const [key, bytes] of await loadAll(store, scope)) addEntry(found, scope.slice(prefix.length), key, bytes)
  }
  return sorted(found)
}

/** The same by an app's changelogs. */
export async function changelogsOf(
  broker: Broker,
  app: string,
  settle: () => Promise<void>,
): Promise<Outcome['states']> {
  const found = new Map<string, string[]>()
  for (const topic of (await broker.topics()).keys()) {
    if (!topic.startsWith(`${app}-`) || !topic.endsWith('-changelog')) continue
    for (const [partition, { start, end }] of (await broker.ranges(topic)).entries()) {
      const entries = new Map<string, Uint8Array>()
      const reading = broker.read({ topic, partition }, start, end, ({ records }) => {
        for (const { key, value } of records) {
          const name = utf8.decode(key ?? new Uint8Array())
          if (value === null) entries.delete(name)
          else entries.set(name, value)
        }
      })
      await settle()
      await reading
      for (const [key, bytes] of entries) addEntry(found, `${topic}/${partition}`, key, bytes)
    }
  }
  return sorted(found)
}

function addEntry(found: Map<string, string[]>, place: string, key: string, bytes: Uint8Array): void {
  const text = utf8.decode(bytes)
  const add = (title: string, line: string) => found.set(title, [...(found.get(title) ?? []), `${place} ${line}`])
  const [, name, rest] = STATE.exec(key) ?? []
  if (name !== undefined) add(`state ${name}`, `${rest}: ${text.replaceAll(OFFSET, '"offset":…')}`)
  else if (key === MANIFEST) {
    const { sources, streamTimes } = JSON.parse(text) as Manifest
    add('time', JSON.stringify({ sources, streamTimes }))
  }
}

function sorted(found: Map<string, string[]>): Map<string, readonly string[]> {
  return new Map([...found].sort(([a], [b]) => (a < b ? -1 : 1)).map(([title, lines]) => [title, lines.sort()]))
}

/** What differs first, shown side by side; nothing if all is the same. */
export function difference(expected: Outcome, came: Outcome, order: Order): string | undefined {
  const wanted = sections(expected, order)
  const found = sections(came, order)
  for (const title of new Set([...wanted.keys(), ...found.keys()])) {
    const [a, b] = [wanted.get(title) ?? [], found.get(title) ?? []]
    const first = a.findIndex((line, index) => line !== b[index])
    const at = first >= 0 ? first : a.length
    if (first < 0 && a.length === b.length) continue
    const hint =
      order === 'perPartition' && difference(expected, came, 'perKey') === undefined
        ? "\n\nEach key's records are the same, in the same order: if the order among keys doesn't matter, say compare: 'perKey'"
        : ''
    // What leads up to it, and a little of what follows.
    const from = Math.max(0, at - CONTEXT)
    const [before, after] = [a, b].map((lines) => lines.slice(from, at + CONTEXT)) as [string[], string[]]
    return `${title}: number ${at + 1} differs (${b.length} came, ${a.length} expected)\n\n${sideBySide(before, after)}${hint}`
  }
  return undefined
}

const CONTEXT = 5

function sections({ records, states }: Outcome, order: Order): Map<string, readonly string[]> {
  const found = new Map<string, string[]>()
  for (const { topic, partition, key, text } of records) {
    const title = `topic ${topic}, partition ${partition}${order === 'perKey' ? `, key ${key}` : ''}`
    const lines = found.get(title)
    if (lines === undefined) found.set(title, [text])
    else lines.push(text)
  }
  return new Map<string, readonly string[]>([
    ...found,
    ...Array.from(states, ([title, lines]) => [`the last checkpoint's ${title}`, lines] as const),
  ])
}
