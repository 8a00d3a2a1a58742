import type { Demo } from '../shared/demo.js'
import { instant } from '../shared/instant.js'
import type { TailRecord } from '../shared/tail.js'
import { facts, happenings } from './generator.js'
import { type Alert, fraud, type Rule, topics } from './pipeline.js'

const { transactions, customers, ...outputs } = topics

export const demo: Demo = {
  name: 'fraud',
  inputs: [transactions],
  outputs: Object.values(outputs),
  compacted: [customers, topics.spend],
  noun: 'transactions',
  rate: 200,
  build: fraud,
  facts,
  happenings,
  board() {
    const alerts: Record<Rule, number> = {
      'large-amount': 0,
      'many-transactions': 0,
      'new-country': 0,
      'daily-spend': 0,
    }
    let late = 0
    return {
      take(topic, { value }: TailRecord<any>) {
        if (topic === topics.late) late++
        if (topic !== topics.alerts) return
        alerts[(value as Alert).rule]++
        return alertLine(value)
      },
      figures() {
        const raised = Object.entries(alerts).map(([rule, n]) => `${rule} ${n}`)
        const total = Object.values(alerts).reduce((sum, n) => sum + n, 0)
        return `late ${late} | alerts ${total}: ${raised.join(', ')}`
      },
      table: () => [],
    }
  },
}

const alertLine = ({ at, rule, user, reason, confidence, transaction }: Alert) =>
  `${instant(at)}  ALERT  ${rule.padEnd(17)}  ${user}  ${reason} (${transaction}, confidence ${confidence})`
