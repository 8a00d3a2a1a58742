import type { Broker, Position, TopicPartition } from '../../ports/broker.js'
import { partitionKey } from '../../ports/partitionKey.js'
import type { StoredTask } from '../taskScopes.js'
import type { CheckpointCopy } from './checkpointCopy.js'

/** Where a copy goes on: in its inputs where it was; in exchanges behind all that they hold here, as what is on its way comes there. */
export class Placement {
  readonly positions: Position[] = []
  /** By how much offsets in exchanges are higher here. */
  private readonly shifts = new Map<string, number>()

  private constructor(private readonly copy: CheckpointCopy) {}

  /** @param known partitions of the topics that the broker has */
  static async of(copy: CheckpointCopy, broker: Broker, known: ReadonlyMap<string, number>): Promise<Placement> {
    const placement = new Placement(copy)
    for (const [topic, { partitions, positions, exchange }] of Object.entries(copy.topics)) {
      if (positions === undefined || known.get(topic) !== partitions) continue
      const ends = exchange === true ? (await broker.ranges(topic)).map(({ end }) => end) : []
      for (const [partition, at] of positions.entries()) placement.place({ topic, partition }, at, ends[partition])
    }
    return placement
  }

  private place(at: TopicPartition, was: number | null, end: number | undefined): void {
    const offset = end ?? was
    if (offset !== null) this.positions.push({ ...at, offset })
    if (end !== undefined) this.shifts.set(partitionKey(at), end - (was ?? 0))
  }

  /** A task's checkpoint with its places here. */
  move({ manifest, plan }: StoredTask): Pick<StoredTask, 'manifest' | 'plan'> {
    const moved = (positions: readonly Position[]) =>
      positions.map((at) => ({ ...at, offset: at.offset + (this.shifts.get(partitionKey(at)) ?? 0) }))
    const orphans = Object.entries(plan.orphans).map(([name, one]) => [name, { ...one, at: moved(one.at) }] as const)
    return {
      manifest: { ...manifest, positions: moved(manifest.positions) },
      plan: { ...plan, orphans: Object.fromEntries(orphans), left: moved(plan.left.filter((at) => this.isHere(at))) },
    }
  }

  /** An exchange that nobody reads any more isn't. */
  private isHere({ topic }: TopicPartition): boolean {
    return topic in this.copy.topics || !(topic.startsWith(`${this.copy.app}-`) && topic.endsWith('-repartition'))
  }
}
