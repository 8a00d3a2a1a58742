import { expect, test } from '@jest/globals'
import { embedded } from 'tidemark'
import type { CheckpointCopy, CopiedTask } from '../../../lib/app/checkpointFile/checkpointCopy.js'
import { Placement } from '../../../lib/app/checkpointFile/placement.js'

const EXCHANGE = 'a-by-repartition'
const at = (topic: string, offset: number, partition = 0) => ({ topic, partition, offset })

test('inputs stay where they were, exchanges go on at their ends here, and all else that was told of them moves as far', async () => {
  const broker = embedded()
  await broker.createTopics([
    { topic: 'in', partitions: 2, starts: [3, 3] },
    { topic: EXCHANGE, partitions: 2, starts: [100, 200] },
    { topic: 'wider', partitions: 2 },
  ])
  const shape = { operator: 'o', kind: 'k', form: 'by key', window: null, holds: null, version: 1, topics: [] } as const
  const task: CopiedTask = {
    scope: 'task/a/x/0',
    title: 'x',
    partition: 0,
    entries: [],
    manifest: {
      version: 1,
      plan: '',
      positions: [at('in', 3), at(EXCHANGE, 7), at(EXCHANGE, 9, 1)],
      sources: {},
      streamTimes: {},
      times: {},
    },
    plan: {
      operators: [],
      topics: {},
      sinks: [],
      states: {},
      orphans: { o: { ...shape, at: [at('in', 2), at(EXCHANGE, 5)] } },
      left: [at('in', 1), at(EXCHANGE, 6), at('a-gone-repartition', 4), at('a-gone', 4), at('b-by-repartition', 4)],
    },
  }
  const copy: CheckpointCopy = {
    app: 'a',
    at: 0,
    topics: {
      in: { partitions: 2, positions: [3, null] },
      [EXCHANGE]: { partitions: 2, positions: [7, null], exchange: true },
      missing: { partitions: 1, positions: [5] },
      wider: { partitions: 1, positions: [5] },
      out: { partitions: 1 },
    },
    tasks: [task],
    records: [],
  }
  const placement = await Placement.of(copy, broker, await broker.topics())
  expect(placement.positions).toEqual([at('in', 3), at(EXCHANGE, 100), at(EXCHANGE, 200, 1)])
  expect(placement.move(task)).toMatchObject({
    manifest: { positions: [at('in', 3), at(EXCHANGE, 100), at(EXCHANGE, 209, 1)] },
    plan: {
      orphans: { o: { at: [at('in', 2), at(EXCHANGE, 98)] } },
      // An exchange that nobody reads any more is left behind; a topic of the user's is not.
      left: [at('in', 1), at(EXCHANGE, 99), at('a-gone', 4), at('b-by-repartition', 4)],
    },
  })
})
