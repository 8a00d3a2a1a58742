import { mulberry32 } from '../demos/shared/random.js'

export interface Payment {
  /** Its number, in the order of writing. */
  readonly n: number
  readonly user: string
  readonly shop: string
  readonly cents: number
  /** Event time, ms since the epoch; no two payments have the same. */
  readonly time: number
}

/** What a shop is from `time` on, until the next version. */
export interface ShopVersion {
  readonly shop: string
  /** Null: it is deleted. */
  readonly tier: string | null
  readonly time: number
}

const START = Date.UTC(2026, 0, 1)
const STEP_MS = 250
const USERS = 60
const SHOPS = 40
/** Payments wait in a pool of that size, to leave it in any order, */
const POOL = 64
/** but none is overtaken by more than that many. */
const LAG = 200
const TIERS = ['bronze', 'silver', 'gold']
const HOUR_MS = 3_600_000

/** No payment is older than the newest of those written before it by more than this. */
export const DISORDER_MS = (POOL + LAG) * STEP_MS
/** Of the one who pays last of all in each partition, so late that every window closes. */
export const END = 'end'

/** Payments in the order of writing: out of order in time, within a bound. */
export function payments(seed: number, count: number): Payment[] {
  const random = mulberry32(seed)
  const pool: Omit<Payment, 'n'>[] = []
  const written: Payment[] = []
  let made = 0
  for (let n = 0; n < count; n++) {
    for (; pool.length < POOL && made < count; made++) {
      const user = `user-${Math.floor(random() * USERS)}`
      // Some shops are busier than others.
      const shop = `shop-${Math.floor(random() ** 2 * SHOPS)}`
      pool.push({ user, shop, cents: 1 + Math.floor(random() * 10_000), time: START + made * STEP_MS })
    }
    const [oldest] = pool as [Omit<Payment, 'n'>]
    const isOverdue = oldest.time < START + (n - LAG) * STEP_MS
    const [next] = pool.splice(isOverdue ? 0 : Math.floor(random() * pool.length), 1) as [Omit<Payment, 'n'>]
    written.push({ n, ...next })
  }
  return written
}

/** What has to come after the last of so many payments, in each partition. */
export function lastPayment(count: number): Payment {
  return { n: -1, user: END, shop: END, cents: 0, time: START + count * STEP_MS + 24 * HOUR_MS }
}

/** The versions of all shops over the time of so many payments, each shop's by time. Some begin late, and some are deleted for a while. */
export function shopVersions(seed: number, count: number): ShopVersion[] {
  const random = mulberry32(seed + 1)
  const versions: ShopVersion[] = []
  for (let i = 0; i < SHOPS; i++) {
    let time = START + Math.floor((random() - 0.7) * HOUR_MS)
    while (time < START + count * STEP_MS) {
      const tier = random() < 0.2 ? null : (TIERS[Math.floor(random() * TIERS.length)] as string)
      versions.push({ shop: `shop-${i}`, tier, time })
      time += 1 + Math.floor(random() * HOUR_MS)
    }
  }
  return versions
}
