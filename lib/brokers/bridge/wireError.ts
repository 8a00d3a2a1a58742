import type { TopicPartition } from '../../ports/broker.js'
import { TidemarkError } from '../../record/errors.js'
import type { WireError } from '../rules/bridgeMessages.js'

/** What the bridge refuses itself. What its broker and its user's code say is for the server's eyes: it names addresses and users. */
const OWN = new Set(['BAD_MESSAGE', 'LIMIT_REACHED', 'NOT_AUTHORISED', 'OFFSET_OUT_OF_RANGE', 'UNKNOWN_TOPIC'])

/** An error as a client may hear it. */
export function wireError(error: unknown, { topic, partition }: Partial<TopicPartition> = {}): WireError {
  const place = { ...(topic !== undefined && { topic }), ...(partition !== undefined && { partition }) }
  if (error instanceof TidemarkError && OWN.has(error.code)) {
    const { code, reason, place: own } = error
    return { code, reason, place: { ...place, ...(own.offset !== undefined && { offset: own.offset }) } }
  }
  return { code: 'BROKER_UNAVAILABLE', reason: 'the bridge has trouble of its own; its log says which', place }
}

/** A topic that isn't there, isn't served, or hasn't the partition: which of them is not told. */
export function notServed(topic: string, partition?: number): TidemarkError {
  const what = partition === undefined ? 'topic' : `partition ${partition} of topic`
  return new TidemarkError('UNKNOWN_TOPIC', `the bridge serves no ${what} ${JSON.stringify(topic).slice(0, 80)}`)
}
