import type { RawRecord, TopicPartition } from '../ports/broker.js'
import type { Window } from '../record/record.js'
import { utf8 } from '../record/serde.js'
import { readStamps, withoutStamps } from '../record/stamp.js'

/** A record that came out otherwise in the shadow. */
export interface ShadowDifference extends TopicPartition {
  readonly change: 'changed' | 'missing' | 'extra'
  /** As text, as are the values; null: it has none. */
  readonly key: string | null
  readonly timestamp: number
  readonly window?: Window
  /** What the live app has written; undefined where that is nothing. */
  readonly live?: string | null
  /** What the shadow has written. */
  readonly shadow?: string | null
}

export interface TopicOutputs {
  readonly topic: string
  /** Records that are in both, equal. */
  readonly same: number
  /** In both, with another value. */
  readonly changed: number
  /** In the live app's output only. */
  readonly missing: number
  /** In the shadow's output only. */
  readonly extra: number
  /** Some of those that aren't the same. */
  readonly examples: readonly ShadowDifference[]
}

/** A partition's records. */
export interface Output extends TopicPartition {
  readonly records: readonly RawRecord[]
}

interface Group {
  readonly live: (RawRecord & TopicPartition)[]
  readonly shadow: (RawRecord & TopicPartition)[]
}

/**
 * Compares what two versions have written to a topic. A record of one is found in the other by its key, timestamp and window; where several have
 * these in common, equal ones belong together, then they do in the order in which they were written.
 */
export function compareOutputs(
  topic: string,
  live: readonly Output[],
  shadow: readonly Output[],
  maxExamples: number,
): TopicOutputs {
  const groups = new Map<string, Group>()
  const add = (side: keyof Group, { partition, records }: Output) => {
    for (const record of records) {
      const identity = identityOf(record, partition)
      let group = groups.get(identity)
      if (group === undefined) {
        group = { live: [], shadow: [] }
        groups.set(identity, group)
      }
      group[side].push({ ...record, topic, partition })
    }
  }
  for (const output of live) add('live', output)
  for (const output of shadow) add('shadow', output)

  const counts = { same: 0, changed: 0, missing: 0, extra: 0 }
  const examples: ShadowDifference[] = []
  for (const group of groups.values()) {
    const lives: Group['live'] = []
    const shadows = [...group.shadow]
    for (const record of group.live) {
      const at = shadows.findIndex((other) => contentOf(other) === contentOf(record))
      if (at < 0) lives.push(record)
      else {
        shadows.splice(at, 1)
        counts.same++
      }
    }
    for (let i = 0; i < Math.max(lives.length, shadows.length); i++) {
      const [was, is] = [lives[i], shadows[i]]
      const change = was === undefined ? 'extra' : is === undefined ? 'missing' : 'changed'
      counts[change]++
      if (examples.length < maxExamples) examples.push(difference(change, was, is))
    }
  }
  return { topic, ...counts, examples }
}

/** Bytes as something that can be compared: each as a character. */
const bytesText = (bytes: Uint8Array | null): string | null =>
  bytes === null ? null : Array.from(bytes, (byte) => String.fromCharCode(byte)).join('')

/** A record without a key is told by its partition. */
function identityOf({ key, timestamp, headers }: RawRecord, partition: number): string {
  const window = readStamps(headers).window?.window
  return JSON.stringify([bytesText(key) ?? partition, timestamp, window?.start, window?.end])
}

function contentOf({ value, headers }: RawRecord): string {
  const own = withoutStamps(headers).map(([name, content]) => [name, bytesText(content)])
  return JSON.stringify([bytesText(value), readStamps(headers).window?.final, own])
}

const text = (bytes: Uint8Array | null): string | null => (bytes === null ? null : utf8.decode(bytes))

function difference(
  change: ShadowDifference['change'],
  live: (RawRecord & TopicPartition) | undefined,
  shadow: (RawRecord & TopicPartition) | undefined,
): ShadowDifference {
  const { topic, partition, key, timestamp, headers } = (live ?? shadow) as RawRecord & TopicPartition
  const { window } = readStamps(headers)
  return {
    change,
    topic,
    partition,
    key: text(key),
    timestamp,
    ...(window !== undefined && { window: window.window }),
    ...(live !== undefined && { live: text(live.value) }),
    ...(shadow !== undefined && { shadow: text(shadow.value) }),
  }
}
