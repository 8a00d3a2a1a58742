import type { Headers } from '../record/record.js'
import { utf8 } from '../record/serde.js'
import type { ErrorStage } from '../task/errorPolicy.js'

/** What a dead letter says about itself, behind the record's own headers. */
export interface ErrorFacts {
  /** Name of the error that was thrown: `TypeError`. */
  readonly exception: string
  readonly message: string
  /** Where the record was read. */
  readonly topic: string
  readonly partition: number
  readonly offset: number
  readonly code: string
  readonly stage: ErrorStage
  readonly operator: string
  readonly app: string
}

/** The first five are Kafka Streams' (KIP-1034), the rest are ours. */
const NAMES: readonly (readonly [fact: keyof ErrorFacts, header: string])[] = [
  ['exception', '__streams.errors.exception'],
  ['message', '__streams.errors.message'],
  ['topic', '__streams.errors.topic'],
  ['partition', '__streams.errors.partition'],
  ['offset', '__streams.errors.offset'],
  ['code', 'tidemark-error-code'],
  ['stage', 'tidemark-error-stage'],
  ['operator', 'tidemark-error-operator'],
  ['app', 'tidemark-error-app'],
]
const [[, FIRST]] = NAMES as [readonly [keyof ErrorFacts, string]]

export const withErrorFacts = (headers: Headers, facts: ErrorFacts): Headers => [
  ...headers,
  ...NAMES.map(([fact, header]) => [header, utf8.encode(String(facts[fact]))] as const),
]

/**
 * Parts a dead letter's headers into the record's own and the facts; undefined for what is no dead letter of ours. A record that has been a dead letter
 * before it became one again has the headers that it had then.
 */
export function readErrorFacts(headers: Headers): { own: Headers; facts: ErrorFacts } | undefined {
  const start = headers.findLastIndex(([name]) => name === FIRST)
  const said = headers.slice(start)
  if (start < 0 || said.length !== NAMES.length) return undefined
  const texts: Partial<Record<keyof ErrorFacts, string>> = {}
  for (const [at, [fact, header]] of NAMES.entries()) {
    const [name, value] = said[at] as (typeof said)[number]
    if (name !== header || value === null) return undefined
    texts[fact] = utf8.decode(value)
  }
  const [partition, offset] = [Number(texts.partition), Number(texts.offset)]
  if (!Number.isSafeInteger(partition) || !Number.isSafeInteger(offset)) return undefined
  return { own: headers.slice(0, start), facts: { ...(texts as unknown as ErrorFacts), partition, offset } }
}
