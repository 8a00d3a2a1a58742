import { demo } from '../../demos/fraud/demo.js'
import { customers, transactions } from '../../demos/fraud/generator.js'
import { type Alert, fraud, type Transaction, topics, WATERMARK } from '../../demos/fraud/pipeline.js'
import { byKey, type DemoCase, latest, type Part, type PlainOutcome, partitionIn, sorted } from './demoCase.js'
import { type Outcome, plainLoop } from './fraudLoop.js'

const PART: Part = { seed: 7, count: 5_000, partitions: 4 }

/** What every platform must give. */
export const expected = (part = PART): Outcome =>
  plainLoop(transactions(part.seed, part.count), customers(part.seed), partitionIn(part))

function plain({ alerts, volume, spend, late }: Outcome): PlainOutcome {
  return { alerts: sorted(alerts), volume: sorted(volume), spend: sorted(spend), late: sorted(late) }
}

export const fraudCase: DemoCase = {
  demo,
  part: PART,
  build: (app) => fraud(app, { watermark: WATERMARK }),
  expected: (part) => plain(expected(part)),
  outcomeOf(written) {
    const late = byKey<Transaction>(written, topics.late)
    return plain({
      alerts: byKey<Alert>(written, topics.alerts),
      volume: byKey<{ transactions: number; amount: number }>(written, topics.volume),
      late: new Map(Array.from(late, ([user, list]) => [user, list.map(({ id }) => id)])),
      spend: latest<number>(written, topics.spend),
    })
  },
}
