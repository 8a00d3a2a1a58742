import { type ErrorPlace, TidemarkError } from '../record/errors.js'
import type { Definition } from '../task/definition.js'
import type { Input } from '../task/input.js'
import type { Node } from '../task/node.js'

// What a pipeline does that a task can't run with: each is a mistake in the program, and told with what to do instead.

const placeOf = (definition: Definition): ErrorPlace => ({ operator: definition.name ?? definition.kind })

export const foreignTask = (definition: Definition): TidemarkError =>
  new TidemarkError(
    'FOREIGN_TASK',
    'this task has not got all of its operators: one stands behind share, shareReplay, connect or a Subject, which serves one task only; use shared() instead',
    placeOf(definition),
  )

export const subscribedWhileRunning = (definition: Definition): TidemarkError =>
  new TidemarkError(
    'NOT_PLANNED',
    'an operator was subscribed while its task runs (by concat, switchMap, retry or the like); merge instead of concat and switchMap, and give retries to mapAsync',
    placeOf(definition),
  )

export const notPlanned = (definition: Definition): TidemarkError =>
  new TidemarkError(
    'NOT_PLANNED',
    'an operator was subscribed that was not there when the app was planned; pipelines must not depend on chance or time',
    placeOf(definition),
  )

export function threwBefore({ operator }: Node, error: unknown): TidemarkError {
  if (error instanceof TidemarkError) return error
  const message = `a plain RxJS operator before ${operator} threw: ${error instanceof Error ? error.message : String(error)}`
  return new TidemarkError('PIPELINE_ERROR', message, { operator }, { cause: error })
}

export const completedBefore = ({ node: { operator, definition } }: Input, place: ErrorPlace): TidemarkError =>
  new TidemarkError(
    definition.role?.is === 'root' ? 'PIPELINE_COMPLETED' : 'DETACHED',
    `the stream before ${operator} completed while the app runs (take, first, takeUntil, takeWhile?); a pipeline of an app never ends. Its offsets stand still`,
    { operator, ...place },
  )

export const consumerLeft = ({ operator }: Node, place: ErrorPlace): TidemarkError =>
  new TidemarkError(
    'DETACHED',
    `a consumer of ${operator} went away while the app runs (take, retry, catchError, switchMap?)`,
    { operator, ...place },
  )
