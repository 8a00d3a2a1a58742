import { expect, test } from '@jest/globals'
import type { ClusterClient } from '../../../lib/brokers/kafka/cluster.js'
import { KafkaConsumer } from '../../../lib/brokers/kafka/consumer.js'
import { encodeLeaderWord } from '../../../lib/brokers/kafka/groupProtocol.js'
import { until } from '../../until.js'

const LIMITS = { maxWaitMs: 1, maxBytes: 1, maxPartitionBytes: 1 }

function gate() {
  let open = () => {}
  const opened = new Promise<void>((resolve) => {
    open = resolve
  })
  return { open, opened }
}

/** So many microtasks. */
async function ticks(count: number): Promise<void> {
  for (let n = 0; n < count; n++) await null
}

/**
 * A member of a group that gives it the slots 0 and 1, then only 0. The answers of a group come when the test says so, to the microtask, as those of no broker do.
 */
function member() {
  const told: string[] = []
  const [takenIn, answered] = [gate(), gate()]
  let [joins, answers] = [0, 0]
  const node = {
    joinGroup: async () => ({ memberId: 'a', leaderId: 'b', generationId: ++joins, members: [] }),
    syncGroup: async () => {
      const isFirst = answers++ === 0
      if (answers === 2) {
        told.push('asked again')
        await answered.opened
      }
      return { memberAssignment: encodeLeaderWord({ slots: isFirst ? [0, 1] : [0] }, []) }
    },
    heartbeat: async () => {
      // The group changes once.
      if (answers === 1) throw Object.assign(new Error('it changes'), { type: 'REBALANCE_IN_PROGRESS' })
    },
    leaveGroup: async () => {},
  }
  const cluster = {
    name: 'kafka',
    atCoordinator: (_group: string, ask: (to: typeof node) => unknown) => ask(node),
    leader: () => 0,
    // Nothing is fetched.
    node: () => new Promise(() => {}),
    close: async () => {},
  } as unknown as ClusterClient
  const consumer = new KafkaConsumer(cluster, cluster, {
    group: 'g',
    topics: ['t'],
    slots: 2,
    plan: '',
    limits: LIMITS,
    sessionTimeoutMs: 3,
    counts: new Map([['t', 2]]),
    committed: async () => [],
    listener: {
      async assigned(partitions) {
        told.push(`assigned ${partitions.map(({ partition }) => partition)}`)
        await takenIn.opened
        return partitions.map((partition) => ({ ...partition, offset: 0 }))
      },
      async revoked(partitions) {
        told.push(`revoked ${partitions.map(({ partition }) => partition)}`)
      },
      settled: () => told.push('settled'),
      batch() {},
      error: (error) => told.push(`${error}`),
    },
  })
  return { consumer, told, takenIn, answered }
}

test('what the group wants anew is told, at whatever moment it comes while the owner takes in what it wanted before', async () => {
  for (let count = -40; count <= 40; count++) {
    const { consumer, told, takenIn, answered } = member()
    consumer.start()
    await until('both wait', () => told.length === 2)
    const [first, second] = count < 0 ? [answered, takenIn] : [takenIn, answered]
    first.open()
    await ticks(Math.abs(count))
    second.open()
    await until(`the slot is given up, ${count} microtasks apart`, () => told.includes('revoked 1'))
    await until('it has what it should have', () => told.at(-1) === 'settled')
    expect(told.filter((what) => what !== 'settled')).toEqual(['assigned 0,1', 'asked again', 'revoked 1'])
    await consumer.close()
  }
})
