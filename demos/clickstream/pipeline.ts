import { map } from 'rxjs'
import {
  type App,
  aggregate,
  avg,
  count,
  countDistinct,
  json,
  keyBy,
  mapValues,
  record,
  reduce,
  type StreamRecord,
  sessionWindow,
  sideOutput,
  sum,
  toTopic,
  type WatermarkOptions,
} from 'tidemark'

/** A page that somebody has looked at. */
export interface View {
  readonly visitor: string
  readonly page: string
  /** What led there from outside: search, a newsletter. Null within the site. */
  readonly channel: string | null
  /** Event time, ms since the epoch. */
  readonly time: number
}

/** A visit: a visitor's views, each at most 30 minutes after the one before. */
export interface Session {
  readonly visitor: string
  /** Of its first view, ms since the epoch. */
  readonly start: number
  /** From the first view to the last. */
  readonly durationMs: number
  readonly views: number
  /** Different ones. */
  readonly pages: number
  readonly landing: string
  readonly channel: string
  /** It ended where it began: one view. */
  readonly isBounce: boolean
}

/** Of all completed sessions that one channel has brought. */
export interface Engagement {
  readonly sessions: number
  readonly meanDurationMs: number
  readonly meanPages: number
  /** From 0 to 1. */
  readonly bounceRate: number
}

/** The topics that the pipeline reads and writes; all are keyed by visitor, but `engagement` by channel. */
export const topics = {
  views: 'page-views',
  sessions: 'sessions',
  engagement: 'engagement',
  late: 'late-views',
} as const

export const GAP = '30m'
/** How far out of order views may come; without an idle time-out, so that the wall clock has no say. */
export const WATERMARK = { maxOutOfOrderness: '2m' } as const

export interface ClickstreamOptions {
  readonly watermark?: WatermarkOptions
}

/** Makes sessions of page views, and a table of how engaged the visitors are that each channel brings. */
export function clickstream(app: App, { watermark = { ...WATERMARK, idleTimeout: '10s' } }: ClickstreamOptions = {}) {
  const late = sideOutput<StreamRecord<string, View>>('late')
  const views = app.stream<View>(topics.views, {
    value: json(),
    timestamp: ({ value }) => value.time,
    watermark,
    onError: 'skip',
  })

  const sessions = views.pipe(
    sessionWindow(GAP, { late }),
    aggregate(
      {
        views: count(),
        pages: countDistinct(({ value }) => value.page),
        // The first in event time, whichever came first.
        first: reduce((first: View, view: View) => (view.time < first.time ? view : first)),
      },
      { name: 'sessions', emit: 'close' },
    ),
    map(({ key, window, timestamp, value: { views, pages, first } }) =>
      record<string, Session>(
        key,
        {
          visitor: key,
          start: window.start,
          durationMs: timestamp - window.start,
          views,
          pages,
          landing: first.page,
          channel: first.channel ?? 'direct',
          isBounce: views === 1,
        },
        timestamp,
      ),
    ),
  )

  const engagement = sessions.pipe(
    keyBy(({ value }) => value.channel, { name: 'by-channel' }),
    aggregate(
      {
        sessions: count(),
        bounces: sum(({ value }) => (value.isBounce ? 1 : 0)),
        meanDurationMs: avg(({ value }) => value.durationMs),
        meanPages: avg(({ value }) => value.pages),
      },
      { name: 'engagement' },
    ),
    mapValues(
      ({ bounces, ...means }): Engagement => ({
        ...means,
        bounceRate: bounces / means.sessions,
      }),
    ),
  )

  app.run('sessions', sessions.pipe(toTopic(topics.sessions)))
  app.run('engagement', engagement.pipe(toTopic(topics.engagement)))
  app.run('late', late.pipe(toTopic(topics.late)))
  return { views, sessions, engagement, late }
}
