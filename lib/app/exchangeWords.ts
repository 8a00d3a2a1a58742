import type { OutRecord } from '../ports/broker.js'
import { timeHeader } from '../record/stamp.js'
import type { Definition } from '../task/definition.js'
import type { Node } from '../task/node.js'
import { toldTime } from '../task/toldTime.js'
import { upstream } from '../task/upstream.js'
import type { PartitionQueue } from './partitionQueue.js'
import type { TaskReaders } from './taskReaders.js'

/** What a partition of an exchange has heard. */
export interface Told {
  readonly time: number
  readonly idle: boolean
  /** Wall clock, ms: when, and since when it has been idle at a stretch. */
  readonly at: number
  readonly idleSince: number | undefined
}

/** A word of an idle task waits for this share of its silence, and for a minute at most: so much later time is behind an exchange. A day of silence takes some 1,600 words. */
const IDLE_SHARE = 1 / 32
const MAX_IDLE_WAIT_MS = 60_000

const idleWaitMs = (silenceMs: number) => Math.min(silenceMs * IDLE_SHARE, MAX_IDLE_WAIT_MS)

/** What a task tells the readers of its exchanges about time, in partitions where no record tells them. */
export class ExchangeWords {
  private readonly told = new Map<Definition, Told[]>()

  constructor(
    /** Whom the words come from. */
    private readonly writer: string,
    private readonly readers: TaskReaders,
    private readonly queues: readonly PartitionQueue[],
  ) {}

  /** A record tells a partition. */
  hasWritten(node: Node, partition: number): void {
    this.toldBy(node)[partition] = { time: toldTime(node), idle: false, at: 0, idleSince: undefined }
  }

  /**
   * The words that are due now.
   *
   * @param writers the writing halves of exchanges, with the topic and partitions of each
   */
  *due(
    writers: Iterable<readonly [node: Node, target: { readonly topic: string; readonly partitions: number }]>,
    now: number,
  ): IterableIterator<OutRecord> {
    for (const { node, time, planned } of this.readers.all)
      time.isSilent = node.streamTime === Number.NEGATIVE_INFINITY && !this.hasMore(planned.topic)
    for (const [node, { topic, partitions }] of writers) {
      const { hasWatermark } = node
      const known = toldTime(node)
      // +Infinity: no partition of this task feeds the exchange, or in stream time there was no record and none is to come.
      const isSilent = known === Number.POSITIVE_INFINITY
      const time = isSilent ? Number.NEGATIVE_INFINITY : known
      const idle = isSilent || (hasWatermark && this.isQuiet(node))
      if (time === Number.NEGATIVE_INFINITY && !idle) continue
      const told = this.toldBy(node)
      for (let partition = 0; partition < partitions; partition++) {
        const last = told[partition]
        if (last !== undefined && last.time === time && last.idle === idle) continue
        const idleSince = idle ? (last?.idleSince ?? now) : undefined
        // The clock goes on for ever: an app that is idle says so less and less often.
        if (last?.idle === true && idleSince !== undefined && now - last.at < idleWaitMs(now - idleSince)) continue
        told[partition] = { time, idle, at: now, idleSince }
        yield {
          topic,
          partition,
          key: null,
          value: null,
          timestamp: Math.max(0, Number.isFinite(time) ? time : 0),
          headers: [timeHeader({ task: this.writer, time, hasWatermark, idle, isWord: true })],
        }
      }
    }
  }

  /**
   * Whether all that a writer gets its records from is idle, and nothing is under way that would come out by itself. What else the task reads may come of
   * these very records: a foreign-key join has its answers from there.
   */
  private isQuiet(writer: Node): boolean {
    const before = upstream(writer)
    return (
      this.readers.all.every(({ node, time }) => !before.has(node) || !time.declared || time.isAbsent || time.isIdle) &&
      ![...before].some((node) => (node.handlers.underWay?.() ?? 0) > 0)
    )
  }

  private hasMore(topic: string): boolean {
    return this.queues.some((queue) => queue.topic === topic && (queue.size > 0 || queue.lag > 0))
  }

  /** What each partition of an exchange has last heard of this task's time. */
  private toldBy(node: Node): Told[] {
    let told = this.told.get(node.definition)
    if (told === undefined) {
      told = []
      this.told.set(node.definition, told)
    }
    return told
  }

  /** What has been told, for who takes a task up exactly as it was: no checkpoint has it, as a word too many does no harm. */
  save(): ReadonlyMap<Definition, readonly Told[]> {
    return new Map([...this.told].map(([definition, told]) => [definition, [...told]]))
  }

  restore(saved: ReadonlyMap<Definition, readonly Told[]>): void {
    for (const [definition, told] of saved) this.told.set(definition, [...told])
  }
}
