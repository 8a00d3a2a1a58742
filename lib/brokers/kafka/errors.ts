import { type ErrorCode, type ErrorPlace, show, TidemarkError } from '../../record/errors.js'
import { unknownTopic } from '../rules/unknownTopic.js'

/** What kafkajs's errors have in common; the protocol's error is often the cause of another. */
interface KafkaError {
  readonly name?: string
  readonly type?: string
  readonly code?: string | number
  readonly message?: string
  readonly cause?: unknown
}

/** The codes of Node and OpenSSL for a certificate that one side doesn't accept. */
const TLS = /^(ERR_(TLS|SSL)_|CERT_|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|HOSTNAME_MISMATCH|INVALID_(CA|PURPOSE)|EPROTO$)/
/** What kafkajs says if the connection, and not the broker's answer, ended an authentication. */
const CUT_OFF =
  /(Closed connection|Connection closed by the server|Connection error: .*|Connection timeout|Not connected|timed out)$/

/**
 * The broker's name for an error, as `NOT_COORDINATOR_FOR_GROUP`; that of a TLS handshake, as `CERT_HAS_EXPIRED`; else
 * kafkajs's, as `KafkaJSConnectionError`.
 */
export function errorType(error: unknown): string {
  let named: string | undefined
  for (let at = error as KafkaError | undefined; at; at = at.cause as KafkaError | undefined) {
    if (at.type !== undefined) return at.type
    if (typeof at.code === 'string' && TLS.test(at.code)) return at.code
    named = at.name === SASL && CUT_OFF.test(at.message ?? '') ? 'KafkaJSConnectionClosedError' : at.name
  }
  return named ?? 'unknown'
}

const SASL = 'KafkaJSSASLAuthenticationError'
const AUTH = new Set([SASL, 'ILLEGAL_SASL_STATE', 'SASL_AUTHENTICATION_FAILED', 'UNSUPPORTED_SASL_MECHANISM'])

/** Errors that go away by themselves, or by asking another node. */
const TRANSIENT = new Set([
  'BROKER_NOT_AVAILABLE',
  // The end of a former transaction can't be written yet.
  'CONCURRENT_TRANSACTIONS',
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
  // What the broker has no name for; kafkajs takes it for passing, too.
  'UNKNOWN',
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
  // The broker has lost, or not seen, what this producer wrote before.
  'OUT_OF_ORDER_SEQUENCE_NUMBER',
  'UNKNOWN_PRODUCER_ID',
  'INVALID_PRODUCER_EPOCH',
  'INVALID_PRODUCER_ID_MAPPING',
  'PRODUCER_FENCED',
  'INVALID_TXN_STATE',
])

/** Whether a newer producer has the transactional id, or the broker has given the transaction up: for the owner it is the same. */
export function isFenced(error: unknown): boolean {
  return FENCED.has(errorType(error))
}

const ADVICE: Partial<Record<ErrorCode, string>> = {
  AUTH_FAILED: 'check `ssl` and `sasl`, and what the listener at this address wants',
  BROKER_UNAVAILABLE:
    'check the addresses, that the brokers run and can be reached, and that `ssl` and `sasl` are set if they want them',
  NOT_AUTHORISED: 'grant it to the user that the app connects as',
}

function codeOf(type: string): ErrorCode {
  if (AUTH.has(type) || TLS.test(type)) return 'AUTH_FAILED'
  if (type.endsWith('_AUTHORIZATION_FAILED')) return 'NOT_AUTHORISED'
  return TRANSIENT.has(type) ? 'BROKER_UNAVAILABLE' : 'BAD_STATE'
}

/** The error as ours. The text is kafkajs's, which names hosts, topics and users but no secrets. */
export function tidemarkError(broker: string, what: string, error: unknown, place: ErrorPlace = {}): TidemarkError {
  if (error instanceof TidemarkError) return error
  const type = errorType(error)
  if (type === 'UNKNOWN_TOPIC_OR_PARTITION' && place.topic !== undefined) {
    return unknownTopic(broker, place.topic, place.partition)
  }
  const text = (error instanceof Error ? error.message : show(error)).trim()
  const code = codeOf(type)
  const advice = ADVICE[code]
  return new TidemarkError(
    code,
    `${broker}: ${what} failed with ${type}: ${text}${advice === undefined ? '' : `; ${advice}`}`,
    place,
    { cause: error },
  )
}
