import type { Happening } from '../shared/demo.js'
import { mulberry32, pick } from '../shared/random.js'
import { type Customer, type Transaction, topics } from './pipeline.js'

const COUNTRIES = ['DE', 'FR', 'ES', 'IT', 'NL', 'PL', 'SE', 'GB', 'US', 'BR']
const FIRST_NAMES = ['Ada', 'Ben', 'Cleo', 'Dov', 'Elif', 'Finn', 'Gita', 'Hugo', 'Ines', 'Jun']
const LAST_NAMES = ['Almeida', 'Berg', 'Costa', 'Duval', 'Eriksen', 'Fischer', 'Greco', 'Horvat', 'Ito', 'Jansen']
const MERCHANTS = ['grocer', 'bakery', 'bookshop', 'petrol', 'cinema', 'pharmacy', 'airline', 'electronics', 'hotel']

/** Event time of the first transaction. */
export const START = Date.UTC(2026, 0, 1)
const STEP_MS = 20_000
/** Transactions come out of order by at most this. */
const DISORDER_MS = 45_000
const USERS = 200

/** The customers, each known before any transaction: a task handles its oldest record first. */
export function* facts(seed: number): Generator<Happening> {
  for (const [key, value] of customers(seed)) yield { topic: topics.customers, key, value, timestamp: START - 1 }
}

export function* happenings(seed: number): Generator<Happening> {
  for (const value of transactions(seed))
    yield { topic: topics.transactions, key: value.user, value, timestamp: value.time }
}

/** The customers, by user. */
export function customers(seed: number): Map<string, Customer> {
  const random = mulberry32(seed)
  return new Map(
    Array.from({ length: USERS }, (_, n) => [
      `user-${String(n + 1).padStart(3, '0')}`,
      { name: `${pick(random, FIRST_NAMES)} ${pick(random, LAST_NAMES)}`, country: pick(random, COUNTRIES) },
    ]),
  )
}

/**
 * Transactions of some days: mostly people who shop at home, now and then on a journey, and among them every kind of
 * fraud that the pipeline knows. The n-th depends on the seed and on n alone.
 */
export function* transactions(seed: number, count = Number.POSITIVE_INFINITY): Generator<Transaction> {
  const people = [...customers(seed)]
  const random = mulberry32(seed + 1)
  /** What has been arranged, by index. */
  const arranged = new Map<number, Pick<Transaction, 'user' | 'amount' | 'country'>>()

  for (let n = 0; n < count; n++) {
    const [user, { country }] = pick(random, people)
    const kind = random()
    let next = { user, country, amount: 1_00 + Math.floor(random() ** 3 * 150_00) }
    if (kind < 0.004) next.amount = 5_000_01 + Math.floor(random() * 4_000_00)
    else if (kind < 0.01) next.country = pick(random, COUNTRIES)
    else if (kind < 0.013) {
      // A stolen card, tried out quickly.
      for (let i = 1; i < 5; i++) arranged.set(n + 2 * i, { user, country, amount: 1_00 + i * 50 })
    } else if (kind < 0.015) {
      // An account emptied within hours, each time below what is looked at.
      for (let i = 1; i < 5; i++) arranged.set(n + 101 * i, { user, country, amount: 2_500_00 + 400_00 * i })
    }
    next = arranged.get(n) ?? next
    arranged.delete(n)

    const isLate = random() < 0.002
    const delay = isLate ? 600_000 + random() * 1_200_000 : random() * DISORDER_MS
    yield {
      id: `tx-${n}`,
      ...next,
      merchant: pick(random, MERCHANTS),
      time: Math.max(START, START + n * STEP_MS - Math.floor(delay)),
    }
  }
}
