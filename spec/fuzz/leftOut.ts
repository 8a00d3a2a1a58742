import { bytes, deadLetter } from 'tidemark'
import type { TestApp } from 'tidemark/testing'
import { type ErrorFacts, readErrorFacts } from '../../lib/app/errorHeaders.js'

/** What the sources of the fuzz run do with a record that they can't read. */
export const leavesOut = { onError: deadLetter('dead') } as const

/** Where they put it. */
export const DEAD = { dead: { partitions: 2, key: bytes(), value: bytes() } } as const

/** The records that were left out, as `topic/partition/offset`, each as often as it was: those of which there is a dead letter, which is as the record was. */
export async function leftOut(t: TestApp<unknown>): Promise<string[]> {
  const counted = t.app.stats().tasks.flatMap(({ dropped }) => dropped.filter(({ reason }) => reason === 'dead letter'))
  const count = counted.reduce((sum, { count }) => sum + count, 0)
  const letters = await t.records('dead')
  if (count !== letters.length || t.errors.length !== count)
    throw new Error(`${letters.length} dead letters, ${count} were counted, ${t.errors.length} were told`)
  const written = new Map<string, string>()
  const facts = letters.map((letter) => readErrorFacts(letter.headers)?.facts as ErrorFacts)
  for (const topic of new Set(facts.map((one) => one.topic)))
    for (const record of await t.records(topic)) written.set(placeOf(record), contentOf(record))
  return facts.map((one, n) => {
    const content = contentOf(letters[n] as (typeof letters)[number])
    if (written.get(placeOf(one)) !== content) throw new Error(`the dead letter of ${placeOf(one)} is ${content}`)
    return placeOf(one)
  })
}

const placeOf = ({ topic, partition, offset }: { topic: string; partition: number; offset: number }) =>
  `${topic}/${partition}/${offset}`

const contentOf = ({ key, value, timestamp }: { key: unknown; value: unknown; timestamp: number }) =>
  `${key} ${value} ${timestamp}`

/** Codes of the errors that tell of them. */
export const LEFT_OUT = ['DESERIALISE', 'BAD_TIMESTAMP']
