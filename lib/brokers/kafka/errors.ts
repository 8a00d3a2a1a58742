import { type ErrorPlace, show, TidemarkError } from '../../record/errors.js'
import { unknownTopic } from '../rules/unknownTopic.js'

/** What kafkajs's errors have in common; the protocol's error is often the cause of another. */
interface KafkaError {
  readonly name?: string
  readonly type?: string
  readonly code?: string | number
  readonly retriable?: boolean
  readonly cause?: unknown
}

/** The broker's name for an error, as `NOT_COORDINATOR_FOR_GROUP`; else kafkajs's, as `KafkaJSConnectionError`. */
export function errorType(error: unknown): string {
  let named: string | undefined
  for (let at = error as KafkaError | undefined; at; at = at.cause as KafkaError | undefined) {
    if (at.type !== undefined) return at.type
    named = at.name
  }
  return named ?? 'unknown'
}

/** Errors that go away by themselves, or by asking another node. */
const TRANSIENT = new Set([
  'BROKER_NOT_AVAILABLE',
  'COORDINATOR_LOAD_IN_PROGRESS',
  'COORDINATOR_NOT_AVAILABLE',
  'FENCED_LEADER_EPOCH',
  'GROUP_COORDINATOR_NOT_AVAILABLE',
  'GROUP_LOAD_IN_PROGRESS',
  'KAFKA_STORAGE_ERROR',
  'LEADER_NOT_AVAILABLE',
  'NETWORK_EXCEPTION',
  'NOT_CONTROLLER',
  'NOT_COORDINATOR',
  'NOT_COORDINATOR_FOR_GROUP',
  'NOT_ENOUGH_REPLICAS',
  'NOT_ENOUGH_REPLICAS_AFTER_APPEND',
  'NOT_LEADER_FOR_PARTITION',
  'OFFSET_NOT_AVAILABLE',
  'REPLICA_NOT_AVAILABLE',
  'REQUEST_TIMED_OUT',
  'UNKNOWN_LEADER_EPOCH',
  'KafkaJSBrokerNotFound',
  'KafkaJSConnectionClosedError',
  'KafkaJSConnectionError',
  'KafkaJSGroupCoordinatorNotFound',
  'KafkaJSLockTimeout',
  'KafkaJSMetadataNotLoaded',
  'KafkaJSNoBrokerAvailableError',
  'KafkaJSRequestTimeoutError',
  'KafkaJSTopicMetadataNotLoaded',
])

export function isTransient(error: unknown): boolean {
  return TRANSIENT.has(errorType(error))
}

const FENCED = new Set([
  'INVALID_PRODUCER_EPOCH',
  'INVALID_PRODUCER_ID_MAPPING',
  'PRODUCER_FENCED',
  'INVALID_TXN_STATE',
])

/** Whether a newer producer has the transactional id, or the broker has given the transaction up: for the owner it is the same. */
export function isFenced(error: unknown): boolean {
  return FENCED.has(errorType(error))
}

/** The error as ours. The text is kafkajs's, which names hosts and topics but no secrets. */
export function tidemarkError(broker: string, what: string, error: unknown, place: ErrorPlace = {}): TidemarkError {
  if (error instanceof TidemarkError) return error
  const type = errorType(error)
  if (type === 'UNKNOWN_TOPIC_OR_PARTITION' && place.topic !== undefined) {
    return unknownTopic(broker, place.topic, place.partition)
  }
  const text = error instanceof Error ? error.message : show(error)
  const isGone = isTransient(error)
  return new TidemarkError(
    isGone ? 'BROKER_UNAVAILABLE' : 'BAD_STATE',
    `${broker}: ${what} failed with ${type}: ${text}${isGone ? '; check that the brokers run and can be reached' : ''}`,
    place,
    { cause: error },
  )
}
