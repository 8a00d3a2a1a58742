import type { ExchangeRole, SourceRole } from '../task/definition.js'
import type { Node } from '../task/node.js'
import type { Lane, SourceTime } from '../task/watermark.js'
import { fromSaved, type SavedTime, toSaved } from './checkpoint.js'
import type { PlannedSource } from './plan.js'

/** A source node in a task. */
export interface Reader {
  readonly node: Node
  readonly role: SourceRole | ExchangeRole
  readonly planned: PlannedSource
  readonly time: SourceTime
  /** The lane that its last record belonged to. */
  lane: Lane | undefined
  partition: number
}

const NONE: readonly Reader[] = Object.freeze([])

/** The source nodes of a task: several may read one topic. */
export class TaskReaders {
  private readonly byTopic = new Map<string, Reader[]>()

  get all(): readonly Reader[] {
    return [...this.byTopic.values()].flat()
  }

  of(topic: string): readonly Reader[] {
    return this.byTopic.get(topic) ?? NONE
  }

  add(reader: Reader): void {
    const { topic } = reader.planned
    const list = this.byTopic.get(topic)
    if (list === undefined) this.byTopic.set(topic, [reader])
    else list.push(reader)
  }

  /** Takes up the time that a checkpoint has of a reader. */
  restore(reader: Reader, saved: { readonly [source: string]: SavedTime } | undefined, now: number): void {
    const { time } = reader
    const known = saved?.[this.nameOf(reader)]
    time.watermark = fromSaved(known?.watermark)
    for (const [id, newest, watermark, idle] of known?.lanes ?? []) {
      // Another plan had other writers.
      if (time.carried && !time.lanes.has(id)) continue
      const lane = time.lane(id, now)
      lane.newest = fromSaved(newest)
      lane.watermark = fromSaved(watermark)
      lane.idle = idle
    }
    if (time.carried && time.declared === undefined) time.cap = time.leastTold()
  }

  /** The time of all, for a checkpoint. */
  save(): Record<string, SavedTime> {
    const saved: Record<string, SavedTime> = {}
    for (const reader of this.all) {
      const { watermark, lanes } = reader.time
      saved[this.nameOf(reader)] = {
        watermark: toSaved(watermark),
        lanes: [...lanes].map(
          ([id, lane]) => [String(id), toSaved(lane.newest), toSaved(lane.watermark), lane.idle] as const,
        ),
      }
    }
    return saved
  }

  private nameOf({ planned: { topic }, node }: Reader): string {
    return `${topic}#${this.of(topic).findIndex((other) => other.node === node)}`
  }

  /** Topics of which some partition has been quiet for its time-out. */
  quietTopics(now: number): string[] {
    return this.all.flatMap(({ time, planned }) => {
      const { declared, lanes, carried } = time
      const isQuiet =
        declared !== undefined && !carried && [...lanes.values()].some((lane) => now - lane.activeAt >= declared.idleMs)
      return isQuiet ? [planned.topic] : []
    })
  }

  /** The lowest of their watermarks; where none is declared, the highest timestamp that has been read. */
  get watermark(): number {
    const marked = this.all.filter(({ node, time }) => node.hasWatermark && !time.isAbsent)
    if (marked.length === 0) return Math.max(...this.all.map(({ node }) => node.streamTime))
    return Math.min(...marked.map(({ time }) => time.watermark))
  }
}
