import type { ErrorCode } from '../record/errors.js'
import type { DeadLetter } from './deadLetter.js'
import type { Retry } from './retry.js'

/**
 * Where a record went wrong: a source can't read it, an operator's function (or a plain RxJS operator) throws, the call of a `mapAsync` fails, its result
 * can't be written to a topic.
 */
export type ErrorStage = 'deserialise' | 'process' | 'async' | 'serialise'

/**
 * What becomes of a record that goes wrong: `fail` ends the app there, `skip` leaves it out, counts it and reports it, `deadLetter(topic)` puts it into
 * another topic besides, `retry(…)` tries it again first.
 */
export type ErrorPolicy = FinalPolicy | Retry

/** What may become of a record that isn't tried again. */
export type FinalPolicy = 'fail' | 'skip' | DeadLetter

/** One policy for all stages, or one for each: a stage that is left out has that of the app. */
export type ErrorPolicies = ErrorPolicy | { readonly [stage in ErrorStage]?: ErrorPolicy }

/** The policy of a stage, if these have one. */
export function policyOf(policies: ErrorPolicies | undefined, stage: ErrorStage): ErrorPolicy | undefined {
  if (policies === undefined || typeof policies === 'string' || 'is' in policies) return policies
  return policies[stage]
}

const STAGES: readonly ErrorStage[] = ['deserialise', 'process', 'async', 'serialise']

/** Whether anything else than the end of the app may become of a record. */
export const isTolerant = (policies: ErrorPolicies | undefined): boolean =>
  STAGES.some((stage) => (policyOf(policies, stage) ?? 'fail') !== 'fail')

/** The dead-letter topics of policies. */
export function* deadLetterTopics(policies: ErrorPolicies | undefined): IterableIterator<string> {
  for (const stage of STAGES) {
    const policy = policyOf(policies, stage)
    const last = typeof policy === 'object' && policy.is === 'retry' ? policy.orElse : policy
    if (typeof last === 'object') yield last.topic
  }
}

/** Errors that a record brings about. All others are mistakes of the pipeline, or of what is around it, whatever the record: they end the app. */
const OF_A_RECORD: readonly ErrorCode[] = [
  'ASYNC_FAILED',
  'BAD_KEY',
  'BAD_TIMESTAMP',
  'CIRCUIT_OPEN',
  'DESERIALISE',
  'NOT_A_NUMBER',
  'NOT_SERIALISABLE',
  'OPERATOR_FAILED',
  'PIPELINE_ERROR',
]

export const isOfARecord = (code: ErrorCode): boolean => OF_A_RECORD.includes(code)
