import { show, TidemarkError } from '../../record/errors.js'

/** The error for a topic, or a partition of one, that the broker doesn't have. */
export function unknownTopic(broker: string, topic: string, partition?: number): TidemarkError {
  return new TidemarkError(
    'UNKNOWN_TOPIC',
    `${broker} has no ${partition === undefined ? '' : `partition ${partition} of `}topic ${show(topic)}; create it first (topics are never created by writing to them)`,
    partition === undefined ? { topic } : { topic, partition },
  )
}
