import type { App, Broker } from 'tidemark'
import { type Alert, type Rule, type Transaction, topics } from './pipeline.js'
import { sizes, tail } from './tail.js'

/** What one sees of the app from outside: its topics, its offsets, its time. */
export interface Sight {
  readonly transactions: number
  /** Of them, those behind the app's last checkpoint. */
  readonly handled: number
  readonly perSecond: number
  readonly late: number
  readonly alerts: Readonly<Record<Rule, number>>
  /** Raised since the last look. */
  readonly newAlerts: readonly Alert[]
  /** ms since the epoch; undefined until each partition has had a record. */
  readonly watermark: number | undefined
}

/** Looks at a running app, again with each call. All counts are from the topics, so they go on after a restart. */
export function onlooker(app: App, broker: Broker): () => Promise<Sight> {
  const nextAlerts = tail<Alert>(broker, topics.alerts)
  const nextLate = tail<Transaction>(broker, topics.late)
  const alerts: Record<Rule, number> = { 'large-amount': 0, 'many-transactions': 0, 'new-country': 0, 'daily-spend': 0 }
  let late = 0
  let perSecond = 0
  let watermark: number | undefined
  let last: { handled: number; at: number } | undefined

  return async () => {
    const newAlerts = (await nextAlerts()).flatMap(({ value }) => value ?? []).sort((a, b) => a.at - b.at)
    for (const { rule } of newAlerts) alerts[rule]++
    late += (await nextLate()).length
    const transactions = total(await sizes(broker, topics.transactions))
    const handled = total((await broker.committed(app.id, [topics.transactions])).map(({ offset }) => offset))
    const at = Date.now()
    if (last === undefined || at - last.at >= 1_000) {
      if (last !== undefined) perSecond = Math.round(((handled - last.handled) * 1_000) / (at - last.at))
      last = { handled, at }
    }
    const time = Math.min(...app.stats().tasks.map((task) => task.time))
    if (Number.isFinite(time)) watermark = time
    return { transactions, handled, perSecond, late, alerts: { ...alerts }, newAlerts, watermark }
  }
}

/** As 2026-01-01 05:14:58. */
export const instant = (ms: number) => new Date(ms).toISOString().slice(0, 19).replace('T', ' ')

const total = (numbers: readonly number[]) => numbers.reduce((sum, n) => sum + n, 0)
