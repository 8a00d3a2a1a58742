import { customers, transactions } from '../../demos/fraud/generator.js'
import { type Alert, type Transaction, topics } from '../../demos/fraud/pipeline.js'
import { tail } from '../../demos/fraud/tail.js'
import type { Broker } from '../../lib/ports/broker.js'
import { partitionOf } from '../../lib/record/partitionOf.js'
import { string } from '../../lib/record/serde.js'
import { type Outcome, plainLoop } from './plainLoop.js'

export const SEED = 7
export const COUNT = 5_000
/** Without an idle time-out, so that the wall clock has no say in the results. */
export const WATERMARK = { maxOutOfOrderness: '1m' } as const

const DEADLINE_MS = 25_000
const PAUSE_MS = 100

/** What every platform must give. */
export const expected = (): Outcome =>
  plainLoop(transactions(SEED, COUNT), customers(SEED), (user) => partitionOf(string().serialize(user), 4))

/** Waits until a run has given just that; else shows what differs. */
export async function comesToBe(broker: Broker, wanted: PlainOutcome): Promise<void> {
  const deadline = Date.now() + DEADLINE_MS
  for (;;) {
    const got = plain(await readOutcome(broker))
    if (JSON.stringify(got) === JSON.stringify(wanted)) return
    if (Date.now() > deadline) expect(got).toEqual(wanted)
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS))
  }
}

/** Reads from its topics what a run has given, by key. */
export async function readOutcome(broker: Broker): Promise<Outcome> {
  const alerts = await byKey<Alert>(broker, topics.alerts)
  const volume = await byKey<{ transactions: number; amount: number }>(broker, topics.volume)
  const late = await byKey<Transaction>(broker, topics.late)
  const spend = await byKey<number>(broker, topics.spend)
  return {
    alerts: alerts as Outcome['alerts'],
    volume: volume as Outcome['volume'],
    late: new Map(Array.from(late, ([user, list]) => [user, list.map((transaction) => transaction?.id as string)])),
    spend: new Map(
      Array.from(spend, ([user, list]) => [user, list.at(-1) as number | null]).filter(
        (entry): entry is [string, number] => entry[1] !== null,
      ),
    ),
  }
}

async function byKey<V>(broker: Broker, topic: string): Promise<Map<string, (V | null)[]>> {
  const lists = new Map<string, (V | null)[]>()
  for (const { key, value } of await tail<V>(broker, topic)()) {
    const list = lists.get(key)
    if (list === undefined) lists.set(key, [value])
    else list.push(value)
  }
  return lists
}

export type PlainOutcome = { readonly [part in keyof Outcome]: [key: string, unknown][] }

/** For comparing, and for sending from a page: plain data, sorted by key. */
export function plain(outcome: Outcome): PlainOutcome {
  const sorted = (map: Map<string, unknown>) => [...map].sort(([a], [b]) => (a < b ? -1 : 1))
  const { alerts, volume, spend, late } = outcome
  return { alerts: sorted(alerts), volume: sorted(volume), spend: sorted(spend), late: sorted(late) }
}
