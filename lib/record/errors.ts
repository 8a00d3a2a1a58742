/** Where an error happened; every part that is known is there. */
export interface ErrorPlace {
  readonly app?: string
  readonly operator?: string
  readonly topic?: string
  readonly partition?: number
  readonly offset?: number
  readonly key?: unknown
}

/** The stable codes of all errors. A code is never renamed; docs/errors.md says for each what to do. */
export type ErrorCode =
  | 'APP_ID_TAKEN'
  | 'ASYNC_FAILED'
  | 'ASYNC_GAP'
  | 'AUTH_FAILED'
  | 'BAD_CHECKPOINT'
  | 'BAD_DURATION'
  | 'BAD_KEY'
  | 'BAD_MESSAGE'
  | 'BAD_OPTION'
  | 'BAD_RECORDING'
  | 'BAD_STATE'
  | 'BAD_TIMESTAMP'
  | 'BROKER_UNAVAILABLE'
  | 'BUFFER_FULL'
  | 'CIRCUIT_OPEN'
  | 'CO_PARTITION'
  | 'DESERIALISE'
  | 'DETACHED'
  | 'FENCED'
  | 'FOREIGN_TASK'
  | 'KEY_CHANGED'
  | 'LATE_BRANCH'
  | 'LIMIT_REACHED'
  | 'LOST_WINDOW'
  | 'NAME_TAKEN'
  | 'NOT_AUTHORISED'
  | 'NOT_A_NUMBER'
  | 'NOT_PLANNED'
  | 'NOT_SERIALISABLE'
  | 'NO_HISTORY'
  | 'NO_ROWS'
  | 'OFFSET_OUT_OF_RANGE'
  | 'OPERATOR_FAILED'
  | 'PIPELINE_COMPLETED'
  | 'PIPELINE_ERROR'
  | 'PLAN_MISMATCH'
  | 'READ_ONLY'
  | 'RECORD_TOO_LARGE'
  | 'STALLED'
  | 'STORE_CLOSED'
  | 'STORE_FAILED'
  | 'STORE_FULL'
  | 'STORE_LOCKED'
  | 'STORE_UNAVAILABLE'
  | 'TIMER_LOOP'
  | 'TOPIC_CONFIG'
  | 'TWO_WATERMARKS'
  | 'TWO_WINDOWS'
  | 'UNKNOWN_TOPIC'
  | 'UNNAMED_STATE'
  | 'WATERMARK_MISSING'

/**
 * The one error class: a stable `code`, a message that says what happened and what to do, and the place
 * (operator, topic, partition, offset, key) as far as it is known. The original error, if any, is `cause`.
 */
export class TidemarkError extends Error {
  override readonly name = 'TidemarkError'

  /**
   * @param reason what happened and what to do, without code and place
   */
  constructor(
    readonly code: ErrorCode,
    readonly reason: string,
    readonly place: ErrorPlace = {},
    options?: { cause?: unknown },
  ) {
    super(`${code}: ${reason}${describePlace(place)}`, options)
  }

  /** The same error with more known about its place; what it knows itself stays. */
  at(place: ErrorPlace): TidemarkError {
    return new TidemarkError(
      this.code,
      this.reason,
      { ...place, ...this.place },
      this.cause === undefined ? {} : { cause: this.cause },
    )
  }
}

function describePlace(place: ErrorPlace): string {
  const parts: string[] = []
  if (place.app !== undefined) parts.push(`app ${place.app}`)
  if (place.operator !== undefined) parts.push(`operator ${place.operator}`)
  if (place.topic !== undefined) parts.push(`topic ${place.topic}`)
  if (place.partition !== undefined) parts.push(`partition ${place.partition}`)
  if (place.offset !== undefined) parts.push(`offset ${place.offset}`)
  if (place.key !== undefined) parts.push(`key ${show(place.key)}`)
  return parts.length === 0 ? '' : ` (${parts.join(', ')})`
}

/** A value as short text for a message: never throws, never longer than about 80 characters. */
export function show(value: unknown): string {
  let text: string
  try {
    text =
      typeof value === 'string'
        ? JSON.stringify(value)
        : typeof value === 'bigint'
          ? `${value}n`
          : String(JSON.stringify(value) ?? value)
  } catch {
    text = Object.prototype.toString.call(value)
  }
  return text.length > 80 ? `${text.slice(0, 77)}...` : text
}
