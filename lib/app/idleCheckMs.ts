import type { Plan } from './plan.js'

/** Between two looks for idle partitions, at most and at least, ms. */
const MAX_MS = 1_000
const MIN_MS = 10

/** How long it is between two looks for idle partitions: a part of the shortest time-out. Infinity where no source has one. */
export function idleCheckMs({ subTopologies }: Plan): number {
  const timeouts = subTopologies.flatMap(({ sources }) => sources.flatMap(({ watermark }) => watermark?.idleMs ?? []))
  const shortest = Math.min(...timeouts)
  return Number.isFinite(shortest) ? Math.min(MAX_MS, Math.max(MIN_MS, shortest / 2)) : shortest
}
