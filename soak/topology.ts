import { filter, map } from 'rxjs'
import {
  type App,
  aggregate,
  collect,
  count,
  hoppingWindow,
  json,
  keyBy,
  last,
  streamTableJoin,
  string,
  sum,
  toTopic,
  tumblingWindow,
  type Window,
} from 'tidemark'
import { DISORDER_MS, END, type Payment } from './input.js'

export const inputs = { payments: 'payments', shops: 'shops' } as const

/** Keyed by user or by shop. */
export const outputs = {
  /** After each payment: what its user has paid so far. */
  totals: 'totals',
  /** A user's payments in five minutes. */
  users: 'user-windows',
  /** Each payment, with what its shop was then. */
  priced: 'priced',
  /** A shop's payments in ten minutes, every five. */
  shops: 'shop-windows',
} as const

/** What is asked for reasons when it doesn't drain. */
export const operators = ['user-windows', 'priced', 'shop-windows'] as const

/** How long a member may be silent: less than the shortest freeze, and enough for a busy machine. */
export const SESSION_TIMEOUT_MS = 6_000

interface Shop {
  readonly tier: string
}

/**
 * The pipeline under test. Its output is a function of its input, in content and in order by key: windows emit on close, the bound covers the
 * disorder of the input, and payments meet their shop as of their own time and come out of that join by time.
 */
export function topology(app: App): void {
  const paid = app
    .stream<Payment>(inputs.payments, {
      value: json(),
      timestamp: ({ value }) => value.time,
      watermark: { maxOutOfOrderness: DISORDER_MS },
    })
    .pipe(filter(({ value }) => value.user !== END))
  const shops = app.table<Shop>(inputs.shops, { value: json(), history: '3650d' })

  const totals = paid.pipe(
    aggregate(
      { n: last(({ value }) => value.n), payments: count(), cents: sum(({ value }) => value.cents) },
      { name: 'totals' },
    ),
  )
  const users = paid.pipe(
    tumblingWindow('5m'),
    aggregate({ ns: collect(({ value }) => value.n) }, { name: 'user-windows', emit: 'close' }),
  )
  const priced = paid.pipe(
    keyBy(({ value }) => value.shop, { name: 'by-shop', key: string() }),
    streamTableJoin(shops, ({ n, cents }, shop) => ({ n, cents, tier: shop?.tier ?? null }), {
      kind: 'left',
      grace: '1s',
      bootstrap: true,
      name: 'priced',
    }),
  )
  const perShop = priced.pipe(
    hoppingWindow('10m', '5m'),
    aggregate(
      { ns: collect(({ value }) => value.n), cents: sum(({ value }) => value.cents) },
      { name: 'shop-windows', emit: 'close' },
    ),
  )

  app.run('totals', totals.pipe(toTopic(outputs.totals)))
  app.run('users', users.pipe(map(withStart), toTopic(outputs.users)))
  app.run('priced', priced.pipe(toTopic(outputs.priced)))
  app.run('shops', perShop.pipe(map(withStart), toTopic(outputs.shops)))
}

/** The window goes into a header; whoever compares wants it beside the rest. */
function withStart<R extends { readonly value: object; readonly window: Window }>(result: R) {
  return { ...result, value: { start: result.window.start, ...result.value } }
}
