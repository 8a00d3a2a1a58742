import type { Key } from '../record/key.js'
import { NO_HEADERS, type StreamRecord } from '../record/record.js'
import type { Handlers, OperatorContext } from '../task/definition.js'
import { JoinSide } from './joinSide.js'
import { JoinTime } from './joinTime.js'

export interface JoinSettings {
  readonly beforeMs: number
  readonly afterMs: number
  readonly graceMs: number
  readonly kind: 'inner' | 'left' | 'outer'
}

type AnyRecord = StreamRecord<Key | null, unknown>

/** What a stream-stream join does with its records. Kafka Streams' rules, step by step. */
export function joinStreams(
  context: OperatorContext<StreamRecord<any, any>>,
  joiner: (left: unknown, right: unknown, key: Key | null) => unknown,
  { beforeMs, afterMs, graceMs, kind }: JoinSettings,
): Handlers<AnyRecord> {
  const times = context.cells<string, number>('newest')
  // A record at the same time has to find it even where nothing else may.
  const retentionMs = Math.max(1, beforeMs + afterMs + graceMs)
  const time = new JoinTime(context, times)
  const left = new JoinSide(context, time, times, 'left', {
    aheadMs: afterMs,
    retentionMs,
    graceMs,
    isPreserved: kind !== 'inner',
  })
  const right = new JoinSide(context, time, times, 'right', {
    aheadMs: beforeMs,
    retentionMs,
    graceMs,
    isPreserved: kind === 'outer',
  })
  const joined = (side: JoinSide, key: Key | null, mine: unknown, other: unknown) =>
    side === left ? joiner(mine, other, key) : joiner(other, mine, key)

  /** Lets out what has met nothing and can't any more: of what is due by timestamp, right before left, then by key. */
  context.fires({
    due: () => Math.min(left.lonelyDue(), right.lonelyDue()),
    fireNext() {
      const now = context.time()
      const due = [right, left].filter((side) => side.lonelyDue() <= now && side.firstLonely !== undefined)
      const side = due.reduce((a, b) => ((b.firstLonely?.at as number) < (a.firstLonely?.at as number) ? b : a))
      const { key, value, at } = side.takeLonely()
      context.emit({
        key,
        value: joined(side, key, value, null),
        timestamp: at,
        topic: '',
        partition: context.task.partition,
        offset: 0,
        headers: NO_HEADERS,
      })
    },
  })
  if (context.hasWatermark) for (const side of [left, right]) context.fires(side)

  return {
    record(record, input) {
      const { key, value, timestamp } = record
      const [side, other] = input === 0 ? [left, right] : [right, left]
      const emit = (match: unknown, at: number) =>
        context.emit({
          key,
          value: joined(side, key, value, match),
          timestamp: at,
          topic: record.topic,
          partition: record.partition,
          offset: record.offset,
          headers: record.headers,
        })
      if (key === null || value === null) {
        time.see(timestamp)
        if (value !== null && side.isPreserved) emit(null, timestamp)
        else context.drop(record, value === null ? 'null value' : 'null key')
        if (key !== null && !side.see(timestamp)) context.drop(record, 'late')
        return
      }
      time.take(timestamp)
      let hasMet = false
      for (const { at, value: match } of other.between(key, timestamp - other.aheadMs, timestamp + side.aheadMs)) {
        hasMet = true
        other.hasMet(key, at)
        emit(match, Math.max(timestamp, at))
      }
      if (!hasMet && side.lonely !== undefined) {
        if (timestamp + side.aheadMs < time.now) emit(null, timestamp)
        else side.lonely.insert(key, timestamp, value, 0)
      }
      if (side.see(timestamp)) {
        side.records.insert(key, timestamp, value, 0)
        side.free()
      } else context.drop(record, 'late')
      context.dueChanged()
    },
    waiting: (key) => [...left.waitingOf(key), ...right.waitingOf(key)],
    /** An unmatched record comes out with its own timestamp. */
    holds: (time) => time - graceMs - Math.max(kind === 'inner' ? 0 : afterMs, kind === 'outer' ? beforeMs : 0),
  }
}
