import { badTimestamp, isTimestamp } from '../record/timestamp.js'
import type { AnyRecord } from './definition.js'
import type { Node } from './node.js'
import type { Lane, SourceTime } from './watermark.js'

/** The time of a graph of nodes: how it rises with what sources read, and the advance in which nodes fire what is due. */
export abstract class Timeline {
  /** In topological order, once sealed. */
  protected ordered: readonly Node[] = []
  /** Grows whenever time may have changed anywhere. */
  version = 0
  /** No node fires anything before this time. */
  minDue = Number.POSITIVE_INFINITY
  /** Place in the running advance; -1 when none runs. */
  private cursor = -1

  /** A handler threw, or a plain operator did. */
  abstract caught(node: Node, error: unknown, record: AnyRecord | undefined): void

  /** Takes a source's new watermark; what becomes due by it fires in {@link continueAdvance}, after the record. */
  raise(time: SourceTime, watermark: number): void {
    if (watermark >= this.minDue && this.cursor < 0) {
      // What nodes promise at the old time is held until they have fired. Looked at before time rises, as nodes remember it.
      this.holdAll()
      time.watermark = watermark
      this.version++
      if (this.anyDue()) this.cursor = 0
      return
    }
    time.watermark = watermark
    this.version++
  }

  /** Takes a source's new cap. */
  cap(time: SourceTime, cap: number): void {
    if (cap === time.cap) return
    if (time.isCapped) this.beginHeld()
    time.cap = cap
    this.version++
    // A structure with a time of its own may have something due by the new one.
    for (const node of this.ordered) if (node.isCapped && node.hasFirings) node.dueChanged()
  }

  /** A record of a source's lane: time rises by what it tells. */
  measure(time: SourceTime, lane: Lane, timestamp: number): void {
    if (lane.idle) lane.idle = false
    if (timestamp <= lane.newest) return
    lane.newest = timestamp
    const { declared } = time
    if (declared === undefined) return
    this.raiseLane(time, lane, timestamp - declared.boundMs)
  }

  /** A source's record has been handled: the watermark that it carries, if it does, counts from now on. */
  punctuate(time: SourceTime, lane: Lane, record: AnyRecord): void {
    const said = time.declared?.punctuated?.(record)
    if (said === undefined || said === null) return
    if (!isTimestamp(said)) throw badTimestamp(said, 'punctuated')
    this.raiseLane(time, lane, said)
  }

  private raiseLane(time: SourceTime, lane: Lane, watermark: number): void {
    if (watermark > lane.watermark) lane.watermark = watermark
    const least = time.lanes.size === 1 ? lane.watermark : time.least()
    if (least > time.watermark) this.raise(time, least)
  }

  /** Begins an advance for changes of time that come with no record. */
  protected beginAdvance(): void {
    if (this.cursor < 0) this.cursor = 0
  }

  /** The same where time is about to rise, or where something is due at the time that is: what nodes promise is held until they have fired. */
  beginHeld(): void {
    if (this.cursor >= 0) return
    this.holdAll()
    this.cursor = 0
  }

  private holdAll(): void {
    for (const node of this.ordered) if (node.hasFirings) node.hold()
  }

  private anyDue(): boolean {
    for (const node of this.ordered) if (node.hasFirings && node.isDueAt(node.pull())) return true
    return false
  }

  get isAdvancing(): boolean {
    return this.cursor >= 0
  }

  /** Whether a node's promise still stands at the old time: it has yet to fire. */
  isHeld(node: Node): boolean {
    return this.cursor >= 0 && node.order >= this.cursor
  }

  /** Visits each node once, in order, and fires what is due. False: `isOver` said stop; go on later, before any record. */
  protected continueAdvance(isOver: () => boolean): boolean {
    while (this.cursor >= 0 && this.cursor < this.ordered.length) {
      const node = this.ordered[this.cursor] as Node
      if (node.hasFirings && node.isPulled) {
        let fired = 0
        while (node.isDueAt(node.time())) {
          try {
            node.fireOne()
          } catch (error) {
            this.caught(node, error, undefined)
            return false
          }
          if ((++fired & 63) === 0 && isOver()) return false
        }
      }
      this.cursor++
      this.version++
    }
    this.cursor = -1
    this.minDue = Number.POSITIVE_INFINITY
    for (const node of this.ordered) this.minDue = Math.min(this.minDue, node.due)
    return true
  }
}
