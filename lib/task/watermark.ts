import { type Duration, durationMs } from '../record/duration.js'
import { show, TidemarkError } from '../record/errors.js'
import type { StreamRecord } from '../record/record.js'
import type { AnyRecord } from './definition.js'

/** How far sources may be read apart in event time. */
export interface AlignmentOptions {
  /** Sources of one app with the same group wait for each other. Default: all that name none. */
  readonly group?: string
  /** A partition whose next record would bring its watermark further than this beyond the slowest of the group waits. */
  readonly maxDrift: Duration
}

interface Bounded {
  /** A partition's watermark is its highest timestamp less this. */
  readonly maxOutOfOrderness: Duration
}

interface Punctuated<R> {
  /**
   * The watermark (ms) that a record carries, if it does: once the record has been handled, its partition's watermark is at least that. Asked of
   * what the source reads, before any operator.
   */
  punctuated(record: R): number | null | undefined
}

interface Quiet {
  /**
   * A partition with nothing to read for this long (wall clock) no longer holds back time; when all are quiet, time goes on with the
   * wall clock, counted from the last record. Without it a quiet partition holds back time for ever.
   */
  readonly idleTimeout?: Duration
  /** Bounds how far one source is read ahead of another, and so what waits in a join of both. Only in an app. */
  readonly alignment?: AlignmentOptions
}

/** What says how far time is (a bound of disorder, the records themselves, or both), and when a quiet partition stops holding it back. */
export type WatermarkOptions<R = StreamRecord<unknown, unknown>> = Quiet &
  ((Bounded & Partial<Punctuated<R>>) | (Punctuated<R> & Partial<Bounded>))

/** A checked declaration. */
export interface Watermark {
  /** Infinity: only the records themselves say how far time is. */
  readonly boundMs: number
  readonly idleMs: number
  readonly punctuated: ((record: AnyRecord) => number | null | undefined) | undefined
  readonly alignment: { readonly group: string; readonly maxDriftMs: number } | undefined
}

export function watermarkOf<R extends AnyRecord>(options: WatermarkOptions<R>, operator: string): Watermark {
  const { maxOutOfOrderness, idleTimeout, alignment } = options
  const punctuated = options.punctuated as Watermark['punctuated']
  if (maxOutOfOrderness === undefined && punctuated === undefined) {
    throw new TidemarkError(
      'BAD_OPTION',
      `${operator}: a watermark needs maxOutOfOrderness, punctuated or both; got ${show(options)}`,
    )
  }
  return {
    boundMs:
      maxOutOfOrderness === undefined
        ? Number.POSITIVE_INFINITY
        : durationMs(maxOutOfOrderness, `${operator}: maxOutOfOrderness`),
    idleMs:
      idleTimeout === undefined ? Number.POSITIVE_INFINITY : durationMs(idleTimeout, `${operator}: idleTimeout`, 1),
    punctuated,
    alignment: alignment && {
      group: alignment.group ?? '',
      maxDriftMs: durationMs(alignment.maxDrift, `${operator}: alignment.maxDrift`),
    },
  }
}

export const sameWatermark = (a: Watermark, b: Watermark) =>
  a.boundMs === b.boundMs &&
  a.idleMs === b.idleMs &&
  a.punctuated === b.punctuated &&
  a.alignment?.group === b.alignment?.group &&
  a.alignment?.maxDriftMs === b.alignment?.maxDriftMs

/** The time of one partition, or of one upstream task of an exchange. */
export interface Lane {
  /** Highest timestamp seen. */
  newest: number
  watermark: number
  /** Holds back nobody. */
  idle: boolean
  /** Wall clock, ms: when its last record was handled. */
  activeAt: number
}

const newLane = (now: number): Lane => ({
  newest: Number.NEGATIVE_INFINITY,
  watermark: Number.NEGATIVE_INFINITY,
  idle: false,
  activeAt: now,
})

/**
 * The time of a source in a task: the minimum over its lanes that are not idle. It never goes back.
 *
 * With watermark w, records with a timestamp of w or more may still come: `w = newest - bound`, or what a record has said.
 */
export class SourceTime {
  watermark = Number.NEGATIVE_INFINITY
  /** Lowest stream time over the upstream tasks of an exchange that have had records; +Infinity where there is no such bound. */
  cap = Number.POSITIVE_INFINITY
  readonly lanes = new Map<string | number, Lane>()
  declared: Watermark | undefined
  /** None of its partitions belongs to this task: it holds back nobody. */
  isAbsent = false
  /** It had no record, and there is none to read. */
  isSilent = false
  /** A reader of an exchange gets watermarks with the records instead of measuring. */
  carried = false
  /** Several tasks write the exchange: no stream time passes the lowest of theirs. */
  isCapped = false

  /** The minimum, or what it was. Where all lanes of an exchange are idle, that over all that know a time. */
  least(): number {
    let least = Number.POSITIVE_INFINITY
    const countsIdle = this.carried && this.isIdle
    for (const lane of this.lanes.values()) {
      if (lane.idle ? countsIdle && lane.watermark > Number.NEGATIVE_INFINITY : true)
        least = Math.min(least, lane.watermark)
    }
    return least === Number.POSITIVE_INFINITY ? this.watermark : Math.max(least, this.watermark)
  }

  /** The lowest that any lane has told, those apart that have nothing to tell. */
  leastTold(): number {
    let least = Number.POSITIVE_INFINITY
    for (const lane of this.lanes.values()) if (!lane.idle) least = Math.min(least, lane.watermark)
    return least
  }

  lane(id: string | number, now: number): Lane {
    let lane = this.lanes.get(id)
    if (lane === undefined) {
      lane = newLane(now)
      this.lanes.set(id, lane)
    }
    return lane
  }

  get isIdle(): boolean {
    for (const lane of this.lanes.values()) if (!lane.idle) return false
    return true
  }
}

/**
 * Finds out which lanes are idle, and how far time goes by it: a source that is idle as a whole follows the others; when all are
 * idle, time goes on with the wall clock from the furthest that any of them has reached, as in Flink the furthest counts then.
 *
 * @param isCaughtUp whether everything up to the lane's present end has been handled
 * @returns the new watermark of each source whose time rises
 */
export function idleWatermarks(
  sources: readonly SourceTime[],
  now: number,
  isCaughtUp: (source: SourceTime, lane: string | number) => boolean,
): Map<SourceTime, number> {
  const declared = sources.filter((source) => source.declared !== undefined && !source.isAbsent)
  for (const source of declared) {
    if (source.carried) continue
    for (const [id, lane] of source.lanes) {
      lane.idle = now - lane.activeAt >= (source.declared as Watermark).idleMs && isCaughtUp(source, id)
    }
  }
  const busy = declared.filter((source) => !source.isIdle)
  const alone = busy.length === 0 ? timeWhenIdle(declared, now) : Number.NEGATIVE_INFINITY
  const risen = new Map<SourceTime, number>()
  for (const source of declared) {
    let watermark = source.least()
    if (busy.length === 0) watermark = source.carried ? watermark : alone
    else if (source.isIdle) watermark = Math.min(...busy.map((other) => other.watermark))
    if (watermark > source.watermark) risen.set(source, watermark)
  }
  return risen
}

/** The furthest watermark of any lane, and the wall clock's time since the last record of all. */
function timeWhenIdle(sources: readonly SourceTime[], now: number): number {
  let reached = Number.NEGATIVE_INFINITY
  let told = Number.NEGATIVE_INFINITY
  let lastAt = Number.NEGATIVE_INFINITY
  for (const source of sources) {
    if (source.carried) continue
    reached = Math.max(reached, source.watermark)
    for (const lane of source.lanes.values()) {
      told = Math.max(told, lane.watermark)
      if (lane.newest > Number.NEGATIVE_INFINITY) lastAt = Math.max(lastAt, lane.activeAt)
    }
  }
  // The clock is counted from where the records left time, not from where the clock has brought it since.
  return lastAt === Number.NEGATIVE_INFINITY ? reached : Math.max(reached, told + (now - lastAt))
}
