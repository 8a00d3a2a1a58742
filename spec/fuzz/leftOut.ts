import type { TestApp } from 'tidemark/testing'

/** What the sources of the fuzz run do with a record that they can't read. */
export const leavesOut = { badRecords: 'skip' } as const

/** The records that were left out, as `topic/partition/offset`, each as often as it was. */
export async function leftOut(t: TestApp<unknown>): Promise<string[]> {
  const counted = t.app.stats().tasks.flatMap(({ dropped }) => dropped.filter(({ reason }) => reason === 'bad record'))
  const told = t.errors.map(({ place: { topic, partition, offset } }) => `${topic}/${partition}/${offset}`)
  const count = counted.reduce((sum, { count }) => sum + count, 0)
  if (count !== told.length) throw new Error(`${count} bad records were counted, ${told.length} were told`)
  return told
}

/** Codes of the errors that tell of them. */
export const LEFT_OUT = ['DESERIALISE', 'BAD_TIMESTAMP']
