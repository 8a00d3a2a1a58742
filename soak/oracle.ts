import type { Payment, ShopVersion } from './input.js'

/** By topic and key, the values that are to be there, as JSON, in this order. */
export type Expected = ReadonlyMap<string, ReadonlyMap<string, readonly string[]>>

const MINUTE_MS = 60_000

/** What the topology has to write, by plain loops over the input; nothing here comes from the library. */
export function oracle(written: readonly Payment[], versions: readonly ShopVersion[]): Expected {
  const totals = new Map<string, string[]>()
  const userWindows = new Map<string, Map<number, number[]>>()
  for (const [user, payments] of groupBy(written, ({ user }) => user)) {
    let cents = 0
    const lines = payments.map((payment, i) => {
      cents += payment.cents
      return JSON.stringify({ n: payment.n, payments: i + 1, cents })
    })
    totals.set(user, lines)
    userWindows.set(user, new Map())
    for (const { n, time } of payments) {
      const windows = userWindows.get(user) as Map<number, number[]>
      const start = Math.floor(time / (5 * MINUTE_MS)) * 5 * MINUTE_MS
      windows.set(start, [...(windows.get(start) ?? []), n])
    }
  }

  const priced = new Map<string, string[]>()
  const shopWindows = new Map<string, Map<number, Payment[]>>()
  const versionsOf = groupBy(versions, ({ shop }) => shop)
  const byTime = written.toSorted((a, b) => a.time - b.time)
  for (const [shop, payments] of groupBy(byTime, ({ shop }) => shop)) {
    const lines = payments.map(({ n, cents, time }) => {
      const version = versionsOf.get(shop)?.findLast((one) => one.time <= time)
      return JSON.stringify({ n, cents, tier: version?.tier ?? null })
    })
    priced.set(shop, lines)
    const windows = new Map<number, Payment[]>()
    shopWindows.set(shop, windows)
    for (const payment of payments) {
      const second = Math.floor(payment.time / (5 * MINUTE_MS)) * 5 * MINUTE_MS
      for (const start of [second - 5 * MINUTE_MS, second]) windows.set(start, [...(windows.get(start) ?? []), payment])
    }
  }

  return new Map([
    ['totals', totals],
    ['user-windows', inOrder(userWindows, (start, ns) => ({ start, ns }))],
    ['priced', priced],
    [
      'shop-windows',
      inOrder(shopWindows, (start, payments) => ({
        start,
        ns: payments.map(({ n }) => n),
        cents: payments.reduce((sum, { cents }) => sum + cents, 0),
      })),
    ],
  ])
}

function groupBy<T>(all: readonly T[], keyOf: (one: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>()
  for (const one of all) {
    const group = groups.get(keyOf(one))
    if (group === undefined) groups.set(keyOf(one), [one])
    else group.push(one)
  }
  return groups
}

/** Each key's windows by start. */
function inOrder<T>(windows: Map<string, Map<number, T>>, resultOf: (start: number, content: T) => object) {
  return new Map(
    [...windows].map(([key, contents]) => {
      const sorted = [...contents].sort(([a], [b]) => a - b)
      return [key, sorted.map(([start, content]) => JSON.stringify(resultOf(start, content)))] as const
    }),
  )
}
