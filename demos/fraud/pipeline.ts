import { filter, map, merge } from 'rxjs'
import {
  type Aggregator,
  type App,
  aggregate,
  count,
  json,
  keyBy,
  mapValues,
  record,
  rollingAggregate,
  type StreamRecord,
  sideOutput,
  streamTableJoin,
  sum,
  toTable,
  toTopic,
  tumblingWindow,
  type WatermarkOptions,
} from 'tidemark'
import { onTime } from '../shared/onTime.js'

export interface Transaction {
  readonly id: string
  readonly user: string
  /** In cents: whole numbers add up exactly, in any order. */
  readonly amount: number
  readonly merchant: string
  readonly country: string
  /** Event time, ms since the epoch. */
  readonly time: number
}

export interface Customer {
  readonly name: string
  /** Where they live. */
  readonly country: string
}

export type Rule = 'large-amount' | 'many-transactions' | 'new-country' | 'daily-spend'

export interface Alert {
  readonly rule: Rule
  readonly user: string
  /** Id of the transaction that broke the rule. */
  readonly transaction: string
  readonly reason: string
  /** From 0 to 1. */
  readonly confidence: number
  /** Event time, ms since the epoch. */
  readonly at: number
}

/** A transaction, with what is known of its customer. */
interface Payment extends Transaction {
  readonly home: string | null
}

/** Each country that a user has paid in, with the first transaction there. */
export interface Places {
  readonly [country: string]: string
}

/** The topics that the pipeline reads and writes; all are keyed by user, but `volume` by country. */
export const topics = {
  transactions: 'transactions',
  customers: 'customers',
  alerts: 'fraud-alerts',
  spend: 'spend-per-user',
  volume: 'volume-per-country',
  late: 'late-transactions',
} as const

export const LARGE_AMOUNT = 5_000_00
export const MANY = 3
export const DAILY_SPEND = 10_000_00
/** How far out of order transactions may come; without an idle time-out, so that the wall clock has no say. */
export const WATERMARK = { maxOutOfOrderness: '1m' } as const

export interface FraudOptions {
  readonly watermark?: WatermarkOptions
}

/**
 * Finds fraud in a stream of payments. It knows nothing of where it runs: the same module works on Kafka, on the
 * embedded broker and in a browser tab.
 *
 * @returns streams and tables for whoever wants to look on
 */
export function fraud(app: App, { watermark = { ...WATERMARK, idleTimeout: '10s' } }: FraudOptions = {}) {
  const late = sideOutput<StreamRecord<string, Transaction>>('late')
  const customers = app.table<Customer>(topics.customers, { value: json() })
  const payments = app
    .stream<Transaction>(topics.transactions, {
      value: json(),
      timestamp: ({ value }) => value.time,
      watermark,
      onError: 'skip',
    })
    .pipe(
      onTime(late),
      streamTableJoin(
        customers,
        (transaction, customer): Payment => ({ ...transaction, home: customer?.country ?? null }),
        { kind: 'left' },
      ),
    )

  // What is known of each user. A payment that is joined with one of these finds itself in it.
  const recent = toTable('recent', payments.pipe(rollingAggregate('5m', count(), { name: 'recent' })))
  const places = toTable('places', payments.pipe(aggregate(firstVisits, { name: 'places' })))
  const spend = toTable(
    'spend',
    payments.pipe(
      mapValues(({ amount }) => amount),
      rollingAggregate(
        '24h',
        sum(({ value }) => value),
        { name: 'spend' },
      ),
    ),
  )

  const alerts = merge(
    payments.pipe(
      filter(({ value }) => value.amount > LARGE_AMOUNT),
      mapValues((payment) => alert('large-amount', 0.5, payment, `${money(payment.amount)} in one transaction`)),
    ),
    payments.pipe(
      streamTableJoin(recent, (payment, transactions) => ({ payment, transactions })),
      filter(({ value }) => value.transactions === MANY + 1),
      mapValues(({ payment }) =>
        alert('many-transactions', 0.6, payment, `more than ${MANY} transactions in 5 minutes`),
      ),
    ),
    payments.pipe(
      streamTableJoin(places, (payment, visited) => ({ payment, visited })),
      filter(({ value: { payment, visited } }) => isNewPlace(payment, visited)),
      mapValues(({ payment }) => alert('new-country', 0.3, payment, `first transaction in ${payment.country}`)),
    ),
    payments.pipe(
      streamTableJoin(spend, (payment, spent) => ({ payment, spent })),
      filter(({ value: { payment, spent } }) => spent > DAILY_SPEND && spent - payment.amount <= DAILY_SPEND),
      mapValues(({ payment, spent }) => alert('daily-spend', 0.4, payment, `${money(spent)} in 24 hours`)),
    ),
  )

  const volume = payments.pipe(
    keyBy(({ value }) => value.country, { name: 'by-country' }),
    tumblingWindow('1h'),
    aggregate({ transactions: count(), amount: sum(({ value }) => value.amount) }, { name: 'volume', emit: 'close' }),
  )

  app.run('alerts', alerts.pipe(toTopic(topics.alerts)))
  app.run('volume', volume.pipe(toTopic(topics.volume)))
  app.run('late', late.pipe(toTopic(topics.late)))
  app.run(
    'spend',
    spend.changes().pipe(
      map(({ key, value, timestamp }) => record(key, value, timestamp)),
      toTopic(topics.spend),
    ),
  )
  return { payments, alerts, volume, late, recent, places, spend }
}

const firstVisits: Aggregator<StreamRecord<string, Payment>, Places, Places> = {
  init: () => ({}),
  add: (visited, { value: { id, country } }) =>
    Object.hasOwn(visited, country) ? visited : { ...visited, [country]: id },
}

function isNewPlace({ id, country }: Payment, visited: Places): boolean {
  return visited[country] === id && Object.keys(visited).length > 1
}

/** One is surer of it when the payment was not made at home. */
function alert(rule: Rule, atHome: number, payment: Payment, reason: string): Alert {
  const { id, user, country, home, time } = payment
  const isAbroad = home !== null && country !== home
  return { rule, user, transaction: id, reason, confidence: isAbroad ? atHome + 0.25 : atHome, at: time }
}

export const money = (cents: number) => (cents / 100).toLocaleString('en', { minimumFractionDigits: 2 })
