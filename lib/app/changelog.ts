import type { Broker, OutRecord, PartitionRange, Position } from '../ports/broker.js'
import type { StoreEntry } from '../ports/store.js'
import { TidemarkError } from '../record/errors.js'
import { NO_HEADERS } from '../record/record.js'
import { utf8 } from '../record/serde.js'
import { MANIFEST, stateOf } from './checkpoint.js'
import type { SubTopology } from './plan.js'
import { PLAN } from './storedPlan.js'

/** The compacted topic that mirrors a state: its entries as checkpoints write them, and with each checkpoint the task's manifest. */
export const changelogTopic = (app: string, state: string) => `${app}-${state}-changelog`

/** The state that a topic mirrors; undefined if it is no changelog of the app. */
export const changelogState = (app: string, topic: string): string | undefined =>
  topic.startsWith(`${app}-`) && topic.endsWith('-changelog')
    ? topic.slice(app.length + 1, -'-changelog'.length)
    : undefined

/**
 * What a sub-topology has changelogs of: its states, whose topics hold the time reached too. One without states keeps that in a topic of its own,
 * if anything goes by it: a task that has forgotten it would hold up all that it writes to until its next record, or make that late.
 */
export function changelogsOf({ states, definitions, exchanges, title }: SubTopology): readonly string[] {
  if (states.size > 0) return [...states.keys()]
  const needsTime = exchanges.length > 0 || definitions.some(({ usesTime }) => usesTime)
  return needsTime ? [`${title.replaceAll('+', '.')}.time`] : []
}

/** Of a task's local checkpoint: how far in its changelogs it is. */
export interface Mark {
  /** Told from that of another life of the changelogs, after they were deleted and made anew. */
  readonly history: string
  /** Wall clock, ms. Brokers forget deletes after a time, so a mark that old says nothing. */
  readonly at: number
  /** By state. */
  readonly offsets: { readonly [state: string]: number }
}

export const MARK = 'changelog'

/** What a checkpoint of one task writes to the changelogs of its states, and how far these have got. */
export class TaskChangelog {
  /** By state. */
  private readonly topics: ReadonlyMap<string, string>

  constructor(
    app: string,
    states: readonly string[],
    private readonly partition: number,
    readonly history: string,
    /** Number of the last checkpoint. */
    private checkpoint: number,
    private readonly offsets: Map<string, number>,
  ) {
    this.topics = new Map(states.map((state) => [state, changelogTopic(app, state)]))
  }

  /** What the next checkpoint's manifest says of it. */
  next(): { readonly history: string; readonly checkpoint: number } {
    return { history: this.history, checkpoint: ++this.checkpoint }
  }

  /** A checkpoint's entries as records. The manifest goes to every state's topic: any of them may be given up by a later plan. */
  records(entries: readonly StoreEntry[], timestamp: number): OutRecord[] {
    const { partition, topics } = this
    const records: OutRecord[] = []
    for (const [key, value] of entries) {
      const state = stateOf(key)
      const bytes = utf8.encode(key)
      const add = (topic: string) =>
        records.push({ topic, partition, key: bytes, value, timestamp, headers: NO_HEADERS })
      if (state === undefined) for (const topic of topics.values()) add(topic)
      else {
        // What is dropped of a state that the plan doesn't have is only dropped here: its changelog is deleted as a whole.
        const topic = topics.get(state)
        if (topic !== undefined) add(topic)
      }
    }
    return records
  }

  /** Where the changelog of a state goes on. */
  offset(state: string): number {
    return this.offsets.get(state) ?? 0
  }

  /** A checkpoint has been committed. */
  written(ends: readonly Position[]): void {
    for (const [state, topic] of this.topics) {
      const end = ends.find((position) => position.topic === topic && position.partition === this.partition)
      if (end !== undefined) this.offsets.set(state, end.offset)
    }
  }

  /** The entry that goes with what is written to the local store. */
  mark(at: number): StoreEntry {
    const mark: Mark = { history: this.history, at, offsets: Object.fromEntries(this.offsets) }
    return [MARK, utf8.encode(JSON.stringify(mark))]
  }
}

/** What a checkpoint says of itself, as it is stored. */
export interface Heads {
  manifest?: Uint8Array | undefined
  plan?: Uint8Array | undefined
}

export interface ChangelogStretch {
  readonly topic: string
  readonly partition: number
  readonly from: number
  readonly to: number
}

/**
 * What the changelog of a state holds of one task.
 *
 * @throws TidemarkError `UNKNOWN_TOPIC` if it has no such partition
 */
export async function changelogRange(
  broker: Broker,
  app: string,
  state: string,
  partition: number,
): Promise<PartitionRange> {
  const topic = changelogTopic(app, state)
  const range = (await broker.ranges(topic))[partition]
  if (range !== undefined) return range
  throw new TidemarkError('UNKNOWN_TOPIC', `${broker.name} has no partition ${partition} of topic ${topic}`, {
    topic,
    partition,
  })
}

/**
 * Reads a stretch of a changelog.
 *
 * @param take gets its entries, the later ones after the earlier; manifest and plan aside
 * @param onRead hears how many offsets have been read, and is waited for; may throw to give up
 * @returns the last manifest and plan in it
 */
export async function readChangelog(
  broker: Broker,
  { topic, partition, from, to }: ChangelogStretch,
  take: (key: string, value: Uint8Array | null) => void,
  onRead: (offsets: number) => void | Promise<void> = () => {},
): Promise<Heads> {
  const head: Heads = {}
  // A broker would ask where the log begins and ends first.
  if (from >= to) return head
  let position = from
  await broker.read({ topic, partition }, from, to, ({ records, nextOffset }) => {
    for (const { key, value } of records) {
      if (key === null) continue
      const name = utf8.decode(key)
      if (name !== MANIFEST && name !== PLAN) take(name, value)
      else if (value !== null) head[name] = value
      else delete head[name]
    }
    const read = nextOffset - position
    position = nextOffset
    return onRead(read)
  })
  return head
}
