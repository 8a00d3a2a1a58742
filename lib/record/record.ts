import type { Key } from './key.js'

/** One header: Kafka allows a name more than once and keeps the order. */
export type Header = readonly [name: string, value: Uint8Array | null]
export type Headers = readonly Header[]

export const NO_HEADERS: Headers = Object.freeze([])

/** One record of a stream. `timestamp` is event time in ms since the epoch. */
export interface StreamRecord<K = Key | null, V = unknown> {
  readonly key: K
  readonly value: V
  readonly timestamp: number
  readonly topic: string
  readonly partition: number
  readonly offset: number
  readonly headers: Headers
}

/** The keys of records of type R, without null. */
export type KeyOf<R extends StreamRecord<any, any>> = Extract<R['key'], Key>

/** A half-open interval of event time: `start` belongs to it, `end` doesn't. */
export interface Window {
  readonly start: number
  readonly end: number
}

/** A result for one key and one window. `final`: the window has closed and won't be emitted again. */
export interface WindowedRecord<K = Key, V = unknown> extends StreamRecord<K, V> {
  readonly window: Window
  readonly final: boolean
}

/** A record type with another value type: key, window and the rest stay. */
export type WithValue<R extends StreamRecord<unknown, unknown>, V> = {
  readonly [Field in keyof R]: Field extends 'value' ? V : R[Field]
}

/** A record type with another key type: value, window and the rest stay. */
export type WithKey<R extends StreamRecord<unknown, unknown>, K> = {
  readonly [Field in keyof R]: Field extends 'key' ? K : R[Field]
}

/**
 * Makes a record for a test, a REPL or a plain Observable; an app's sources make their own.
 *
 * ```ts
 * from([record('alice', { amount: 5 }, 1_000)]).pipe(tumblingWindow('1m'), aggregate(count()))
 * ```
 */
export function record<K, V>(
  key: K,
  value: V,
  timestamp: number,
  rest: Partial<StreamRecord<K, V>> = {},
): StreamRecord<K, V> {
  return {
    key,
    value,
    timestamp,
    topic: rest.topic ?? '',
    partition: rest.partition ?? 0,
    offset: rest.offset ?? 0,
    headers: rest.headers ?? NO_HEADERS,
  }
}
