import type { Broker, Position } from '../../ports/broker.js'
import type { Plan } from '../plan.js'
import { topicsReadBy } from '../storedState.js'

/** Places in what an app reads here and a copy hasn't read: inputs from their start, and nothing of what had been on its way. */
export async function forgottenPlaces(plan: Plan, broker: Broker, placed: readonly Position[]): Promise<Position[]> {
  const existing = await broker.topics()
  const exchanges = new Set(plan.subTopologies.flatMap((sub) => sub.exchanges))
  const isPlaced = (topic: string, partition: number) =>
    placed.some((one) => one.topic === topic && one.partition === partition)
  const found: Position[] = []
  for (const topic of topicsReadBy(plan)) {
    if (!existing.has(topic)) continue
    for (const [partition, { start, end }] of (await broker.ranges(topic)).entries())
      if (!isPlaced(topic, partition)) found.push({ topic, partition, offset: exchanges.has(topic) ? end : start })
  }
  return found
}
