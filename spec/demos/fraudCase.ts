import { demo } from '../../demos/fraud/demo.js'
import { customers, transactions } from '../../demos/fraud/generator.js'
import { type Alert, fraud, type Transaction, topics } from '../../demos/fraud/pipeline.js'
import { byKey, type DemoCase, latest, type PlainOutcome, partition, sorted } from './demoCase.js'
import { type Outcome, plainLoop } from './fraudLoop.js'

export const SEED = 7
export const COUNT = 5_000
export const WATERMARK = { maxOutOfOrderness: '1m' } as const

/** What every platform must give. */
export const expected = (): Outcome => plainLoop(transactions(SEED, COUNT), customers(SEED), partition)

export function plain({ alerts, volume, spend, late }: Outcome): PlainOutcome {
  return { alerts: sorted(alerts), volume: sorted(volume), spend: sorted(spend), late: sorted(late) }
}

export const fraudCase: DemoCase = {
  demo,
  seed: SEED,
  count: COUNT,
  build: (app) => fraud(app, { watermark: WATERMARK }),
  expected: () => plain(expected()),
  async read(broker) {
    const late = await byKey<Transaction>(broker, topics.late)
    return plain({
      alerts: await byKey<Alert>(broker, topics.alerts),
      volume: await byKey<{ transactions: number; amount: number }>(broker, topics.volume),
      late: new Map(Array.from(late, ([user, list]) => [user, list.map(({ id }) => id)])),
      spend: await latest<number>(broker, topics.spend),
    })
  },
}
