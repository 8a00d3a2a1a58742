import { demo } from '../../demos/clickstream/demo.js'
import {
  clickstream,
  type Engagement,
  type Session,
  topics,
  type View,
  WATERMARK,
} from '../../demos/clickstream/pipeline.js'
import { type Outcome, plainLoop } from './clickstreamLoop.js'
import {
  byKey,
  type DemoCase,
  generated,
  latest,
  type Part,
  type PlainOutcome,
  partitionIn,
  sorted,
} from './demoCase.js'

const PART: Part = { seed: 7, count: 4_000, partitions: 4 }

export const expected = (part = PART): Outcome =>
  plainLoop(
    Array.from(generated(demo, part), ({ value }) => value as View),
    partitionIn(part),
  )

const plain = ({ sessions, engagement, late }: Omit<Outcome, 'open'>): PlainOutcome => ({
  sessions: sorted(sessions),
  engagement: sorted(engagement),
  late: sorted(late),
})

export const clickstreamCase: DemoCase = {
  demo,
  part: PART,
  build: (app) => clickstream(app, { watermark: WATERMARK }),
  expected: (part) => plain(expected(part)),
  outcomeOf: (written) =>
    plain({
      sessions: byKey<Session>(written, topics.sessions),
      engagement: latest<Engagement>(written, topics.engagement),
      late: byKey<View>(written, topics.late),
    }),
}
