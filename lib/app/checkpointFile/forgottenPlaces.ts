import type { Broker, Position } from '../../ports/broker.js'
import type { Plan } from '../plan.js'
import { exchangesOf, topicsReadBy } from '../planTopics.js'

/**
 * Places in what an app reads here and a copy hasn't read: inputs from their start, and nothing of what had been on its way.
 *
 * @param known partitions of the topics that the broker has
 */
export async function forgottenPlaces(
  plan: Plan,
  broker: Broker,
  known: ReadonlyMap<string, number>,
  placed: readonly Position[],
): Promise<Position[]> {
  const exchanges = exchangesOf(plan)
  const found: Position[] = []
  for (const topic of topicsReadBy(plan)) {
    const partitions = new Set(placed.flatMap((one) => (one.topic === topic ? [one.partition] : [])))
    // All of it has places, or it isn't there.
    if (partitions.size === (known.get(topic) ?? 0)) continue
    for (const [partition, { start, end }] of (await broker.ranges(topic)).entries())
      if (!partitions.has(partition)) found.push({ topic, partition, offset: exchanges.has(topic) ? end : start })
  }
  return found
}
