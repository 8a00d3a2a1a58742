import type { Plan } from './plan.js'

/** Each topic that a plan reads, once. */
export const topicsReadBy = ({ subTopologies }: Plan): string[] => [
  ...new Set(subTopologies.flatMap(({ sources }) => sources.map(({ topic }) => topic))),
]

/** The topics that a plan writes. */
export const topicsWrittenBy = ({ subTopologies }: Plan): string[] =>
  subTopologies.flatMap(({ sinks, exchanges }) => [...sinks, ...exchanges])

/** The topics that lead from one part of a plan to another. */
export const exchangesOf = ({ subTopologies }: Plan): ReadonlySet<string> =>
  new Set(subTopologies.flatMap(({ exchanges }) => exchanges))
