import { show, TidemarkError } from '../../record/errors.js'
import type { ClientMessage } from '../rules/bridgeMessages.js'

type Check = (value: unknown) => boolean

const isText: Check = (value) => typeof value === 'string'
const isWhole: Check = (value) => Number.isSafeInteger(value) && (value as number) >= 0
const isTexts: Check = (value) => Array.isArray(value) && value.every(isText)
const or =
  (check: Check, other: null | undefined): Check =>
  (value) =>
    value === other || check(value)

/** The fields that each message must have. */
const FIELDS: { readonly [T in ClientMessage['type']]: { readonly [field: string]: Check } } = {
  hello: { protocol: isWhole, token: or(isText, undefined) },
  topics: { id: isWhole, names: or(isTexts, undefined) },
  ranges: { id: isWhole, topic: isText },
  open: {
    id: isWhole,
    topic: isText,
    partition: isWhole,
    from: or(isWhole, null),
    to: or(isWhole, undefined),
    credit: isWhole,
  },
  credit: { id: isWhole, bytes: isWhole },
  close: { id: isWhole },
  pong: {},
}

/**
 * What a client has sent, if it is one of the protocol's messages.
 *
 * @throws TidemarkError `BAD_MESSAGE`
 */
export function clientMessage(value: unknown): ClientMessage {
  const { type } = (value ?? {}) as { type?: unknown }
  const fields = typeof type === 'string' && Object.hasOwn(FIELDS, type) && FIELDS[type as ClientMessage['type']]
  if (!fields) throw new TidemarkError('BAD_MESSAGE', `not a message of the bridge: ${show(value)}`)
  const wrong = Object.keys(fields).find((field) => !fields[field]?.((value as Record<string, unknown>)[field]))
  if (wrong === undefined) return value as ClientMessage
  throw new TidemarkError('BAD_MESSAGE', `${wrong} of ${show(type)} can't be ${show((value as any)[wrong])}`)
}

/** @throws TidemarkError `BAD_MESSAGE` */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new TidemarkError('BAD_MESSAGE', `not JSON: ${show(text)}`, {}, { cause })
  }
}
