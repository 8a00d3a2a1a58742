import type { Alert, Customer, Transaction } from '../../demos/fraud/pipeline.js'
import { listOf } from './demoCase.js'

/* What the fraud pipeline must give, by a loop that shares nothing with it but the types. */

export interface Outcome {
  /** By user, in the order in which they are raised. */
  readonly alerts: Map<string, Alert[]>
  /** By country, window by window. */
  readonly volume: Map<string, { transactions: number; amount: number }[]>
  /** By user, in cents, at the end. */
  readonly spend: Map<string, number>
  /** By user, ids. */
  readonly late: Map<string, string[]>
}

const MINUTE = 60_000
const HOUR = 60 * MINUTE

const euros = (cents: number) => {
  const [whole, rest] = (cents / 100).toFixed(2).split('.') as [string, string]
  return `${whole.replace(/\B(?=(\d{3})+$)/g, ',')}.${rest}`
}

export function plainLoop(
  transactions: Iterable<Transaction>,
  customers: ReadonlyMap<string, Customer>,
  partitionOf: (user: string) => number,
): Outcome {
  const outcome: Outcome = { alerts: new Map(), volume: new Map(), spend: new Map(), late: new Map() }
  const newest = new Map<number, number>()
  const histories = new Map<string, Transaction[]>()
  const hours = new Map<string, Map<number, { transactions: number; amount: number }>>()

  for (const transaction of transactions) {
    const { id, user, amount, country, time } = transaction
    const partition = partitionOf(user)
    newest.set(partition, Math.max(newest.get(partition) ?? 0, time))
    if (time < (newest.get(partition) as number) - MINUTE) {
      listOf(outcome.late, user).push(id)
      continue
    }
    const history = listOf(histories, user)
    const places = new Set(history.map((other) => other.country))
    history.push(transaction)
    const now = history.reduce((latest, other) => Math.max(latest, other.time), 0)
    const within = (length: number) => history.filter((other) => other.time > now - length)

    const home = customers.get(user)?.country
    const raise = (rule: Alert['rule'], confidence: number, reason: string) => {
      const surer = home !== undefined && home !== country ? 0.25 : 0
      listOf(outcome.alerts, user).push({
        rule,
        user,
        transaction: id,
        reason,
        confidence: confidence + surer,
        at: time,
      })
    }
    if (amount > 500_000) raise('large-amount', 0.5, `${euros(amount)} in one transaction`)
    if (within(5 * MINUTE).length === 4) raise('many-transactions', 0.6, 'more than 3 transactions in 5 minutes')
    if (places.size > 0 && !places.has(country)) raise('new-country', 0.3, `first transaction in ${country}`)
    const spent = total(within(24 * HOUR))
    if (spent > 1_000_000 && spent - amount <= 1_000_000) raise('daily-spend', 0.4, `${euros(spent)} in 24 hours`)

    const start = Math.floor(time / HOUR) * HOUR
    const perHour = hours.get(country) ?? new Map()
    hours.set(country, perHour)
    const hour = perHour.get(start) ?? { transactions: 0, amount: 0 }
    perHour.set(start, { transactions: hour.transactions + 1, amount: hour.amount + amount })
  }

  for (const [user, history] of histories) {
    const watermark = (newest.get(partitionOf(user)) as number) - MINUTE
    const now = Math.max(watermark, ...history.map((other) => other.time))
    const left = history.filter((other) => other.time > now - 24 * HOUR)
    if (left.length > 0) outcome.spend.set(user, total(left))
  }
  const closed = Math.min(...newest.values()) - MINUTE
  for (const [country, perHour] of hours) {
    const starts = [...perHour.keys()].filter((start) => start + HOUR <= closed).sort((a, b) => a - b)
    if (starts.length > 0)
      outcome.volume.set(
        country,
        starts.map((start) => perHour.get(start) as { transactions: number; amount: number }),
      )
  }
  return outcome
}

const total = (transactions: Transaction[]) => transactions.reduce((sum, { amount }) => sum + amount, 0)
