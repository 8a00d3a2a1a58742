import { demo } from '../../demos/clickstream/demo.js'
import { clickstream, type Engagement, type Session, topics, type View } from '../../demos/clickstream/pipeline.js'
import { type Outcome, plainLoop } from './clickstreamLoop.js'
import { byKey, type DemoCase, firstOf, latest, type PlainOutcome, partition, sorted } from './demoCase.js'

const SEED = 7
const COUNT = 4_000

export const WATERMARK = { maxOutOfOrderness: '2m' } as const

export const expected = (): Outcome =>
  plainLoop(
    Array.from(firstOf({ demo, seed: SEED, count: COUNT }), ({ value }) => value as View),
    partition,
  )

const plain = ({ sessions, engagement, late }: Outcome): PlainOutcome => ({
  sessions: sorted(sessions),
  engagement: sorted(engagement),
  late: sorted(late),
})

export const clickstreamCase: DemoCase = {
  demo,
  seed: SEED,
  count: COUNT,
  build: (app) => clickstream(app, { watermark: WATERMARK }),
  expected: () => plain(expected()),
  read: async (broker) =>
    plain({
      sessions: await byKey<Session>(broker, topics.sessions),
      engagement: await latest<Engagement>(broker, topics.engagement),
      late: await byKey<View>(broker, topics.late),
    }),
}
