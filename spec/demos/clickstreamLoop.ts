import type { Engagement, Session, View } from '../../demos/clickstream/pipeline.js'
import { listOf } from './demoCase.js'

/* What the clickstream pipeline must give, by a loop that shares nothing with it but the types. */

export interface Outcome {
  /** By visitor: those that are over when the input ends. */
  readonly sessions: Map<string, Session[]>
  /** By channel. */
  readonly engagement: Map<string, Engagement>
  /** By visitor. */
  readonly late: Map<string, View[]>
  /** Sessions that aren't over. */
  open: number
}

const GAP = 30 * 60_000
const DISORDER = 2 * 60_000

export function plainLoop(views: Iterable<View>, partitionOf: (visitor: string) => number): Outcome {
  const outcome: Outcome = { sessions: new Map(), engagement: new Map(), late: new Map(), open: 0 }
  const newest = new Map<number, number>()
  /** By visitor, every session with all its views in order of time. */
  const visits = new Map<string, View[][]>()
  const now = (visitor: string) => (newest.get(partitionOf(visitor)) as number) - DISORDER
  const isOver = (visit: View[], time: number) => (visit.at(-1) as View).time + GAP < time

  for (const view of views) {
    const { visitor, time } = view
    const place = partitionOf(visitor)
    newest.set(place, Math.max(newest.get(place) ?? 0, time))
    const others = listOf(visits, visitor)
    const near = others.filter(
      (visit) =>
        !isOver(visit, now(visitor)) &&
        (visit[0] as View).time <= time + GAP &&
        (visit.at(-1) as View).time >= time - GAP,
    )
    const joined = [...near.flat(), view].sort((a, b) => a.time - b.time)
    if (isOver(joined, now(visitor))) {
      listOf(outcome.late, visitor).push(view)
      continue
    }
    visits.set(visitor, [...others.filter((visit) => !near.includes(visit)), joined])
  }

  for (const [visitor, all] of visits) {
    const over = all.filter((visit) => isOver(visit, now(visitor)))
    outcome.open += all.length - over.length
    const sessions = over
      .sort((a, b) => (a.at(-1) as View).time - (b.at(-1) as View).time)
      .map((visit): Session => {
        const first = visit[0] as View
        const last = visit.at(-1) as View
        return {
          visitor,
          start: first.time,
          durationMs: last.time - first.time,
          views: visit.length,
          pages: new Set(visit.map(({ page }) => page)).size,
          landing: first.page,
          channel: first.channel ?? 'direct',
          isBounce: visit.length === 1,
        }
      })
    if (sessions.length > 0) outcome.sessions.set(visitor, sessions)
  }

  const byChannel = new Map<string, Session[]>()
  for (const session of [...outcome.sessions.values()].flat()) listOf(byChannel, session.channel).push(session)
  for (const [channel, sessions] of byChannel) {
    const mean = (of: (session: Session) => number) => sessions.reduce((sum, s) => sum + of(s), 0) / sessions.length
    outcome.engagement.set(channel, {
      sessions: sessions.length,
      meanDurationMs: mean(({ durationMs }) => durationMs),
      meanPages: mean(({ pages }) => pages),
      bounceRate: mean(({ isBounce }) => (isBounce ? 1 : 0)),
    })
  }
  return outcome
}
