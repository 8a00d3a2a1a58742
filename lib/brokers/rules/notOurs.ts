import { placeOf, type TopicPartition } from '../../ports/broker.js'
import { show, TidemarkError } from '../../record/errors.js'

/** The error of a member that commits for a partition which it hasn't got, or no longer. */
export function notOurs(group: string, partition: TopicPartition): TidemarkError {
  return new TidemarkError(
    'FENCED',
    `group ${show(group)}: this partition belongs to another member, or to none; only its owner may commit`,
    placeOf({ topic: partition.topic, partition: partition.partition }),
  )
}
