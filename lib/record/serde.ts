import { show, TidemarkError } from './errors.js'
import { nodeBuffer } from './nodeBuffer.js'

/** Turns values into bytes and back. Null isn't passed to a serde: it is Kafka's null, in both directions. */
export interface Serde<T> {
  /** Names the format in plans; both sides of a join must have the same for their keys. */
  readonly name: string
  serialize(value: T): Uint8Array
  deserialize(bytes: Uint8Array): T
}

/** The key serde among options: only keys that are strings have a default. */
export type KeySerde<K> = [K] extends [string] ? { readonly key?: Serde<K> } : { readonly key: Serde<K> }

const encoder = new TextEncoder()
// A byte order mark is text like any other: without this, the record would come back without it.
const decoder = new TextDecoder('utf-8', { ignoreBOM: true })

/** Text as UTF-8; what isn't any decodes to U+FFFD. */
export const utf8 = {
  encode: (text: string): Uint8Array => (nodeBuffer ? nodeBuffer.from(text, 'utf8') : encoder.encode(text)),
  decode: (bytes: Uint8Array): string =>
    nodeBuffer?.isBuffer(bytes)
      ? (bytes as unknown as { toString(encoding: 'utf8'): string }).toString('utf8')
      : decoder.decode(bytes),
}

/**
 * Text of a record. What isn't UTF-8 is refused, as it would not be given back, and different keys would become one.
 *
 * @throws TidemarkError `DESERIALISE`
 */
function wellFormed(bytes: Uint8Array): string {
  const text = utf8.decode(bytes)
  // The only sign of trouble, and it may stand in the record as such.
  if (!text.includes('\ufffd') || isSame(utf8.encode(text), bytes)) return text
  throw new TidemarkError('DESERIALISE', `not UTF-8: ${show(text)}`)
}

const isSame = (a: Uint8Array, b: Uint8Array) => a.length === b.length && a.every((byte, i) => byte === b[i])

/** Levels of arrays and objects: JSON that is nested deeper, up to where the stack ends, is made to do harm. */
const MAX_DEPTH = 1_000

/** Whether JSON text nests deeper. */
function isTooDeep(text: string): boolean {
  if (text.length <= 2 * MAX_DEPTH || !hasManyBrackets(text)) return false
  let depth = 0
  let isInString = false
  for (let at = 0; at < text.length; at++) {
    const char = text.charCodeAt(at)
    if (char === QUOTE) isInString = !isInString
    else if (isInString) {
      // What follows may be a quote that doesn't end it.
      if (char === BACKSLASH) at++
    } else if (char === 0x5b || char === 0x7b) {
      if (++depth > MAX_DEPTH) return true
    } else if (char === 0x5d || char === 0x7d) depth--
  }
  return false
}

/** What is cheap to ask comes first. */
function hasManyBrackets(text: string): boolean {
  let left = MAX_DEPTH
  // The two brackets that open differ in this bit alone.
  for (let at = 0; at < text.length && left >= 0; at++) if ((text.charCodeAt(at) | 0x20) === 0x7b) left--
  return left < 0
}

const QUOTE = 0x22
const BACKSLASH = 0x5c

/**
 * JSON as UTF-8. Refuses to write what JSON would not give back: undefined, NaN, bigint, functions, dates, maps,
 * sets and other class instances. Refuses to read what isn't UTF-8, or is nested more than 1,000 levels deep.
 *
 * @throws TidemarkError `NOT_SERIALISABLE` when writing, `DESERIALISE` when reading
 */
export function json<T>(): Serde<T> {
  return JSON_SERDE as Serde<T>
}

const JSON_SERDE: Serde<unknown> = {
  name: 'json',
  serialize: (value) => utf8.encode(toJson(value)),
  deserialize: (bytes) => {
    const text = wellFormed(bytes)
    if (isTooDeep(text))
      throw new TidemarkError('DESERIALISE', `JSON nested more than ${MAX_DEPTH} levels deep: ${show(text)}`)
    try {
      return JSON.parse(text)
    } catch (cause) {
      throw new TidemarkError('DESERIALISE', `not JSON: ${show(text)}`, {}, { cause })
    }
  },
}

/** JSON text of a value that {@link json} would give back. */
export function toJson(value: unknown): string {
  try {
    assertJson(value, '')
    return JSON.stringify(value)
  } catch (cause) {
    if (cause instanceof TidemarkError) throw cause
    throw new TidemarkError(
      'NOT_SERIALISABLE',
      `JSON can't be made of ${show(value)}: ${cause instanceof Error ? cause.message : String(cause)}`,
      {},
      { cause },
    )
  }
}

function assertJson(value: unknown, path: string): void {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return
    case 'number':
      if (Number.isFinite(value)) return
      break
    case 'object': {
      if (value === null) return
      if (Array.isArray(value)) {
        for (let i = 0; i < value.length; i++) assertJson(value[i], path)
        return
      }
      const prototype = Object.getPrototypeOf(value)
      // Another realm's plain objects have another Object.prototype, whose own prototype is null all the same.
      if (prototype === null || Object.getPrototypeOf(prototype) === null) {
        for (const name in value) {
          const member = (value as Record<string, unknown>)[name]
          if (member !== undefined) assertJson(member, name)
        }
        return
      }
    }
  }
  throw new TidemarkError(
    'NOT_SERIALISABLE',
    `JSON would not give back ${show(value)}${path ? ` at ${show(path)}` : ''}; turn it into plain data first or pass a serde of your own`,
  )
}

/**
 * Strings as plain UTF-8, as the JVM's StringSerializer writes them.
 *
 * @throws TidemarkError `NOT_SERIALISABLE` for what is no string, or holds a lone surrogate; `DESERIALISE` for what isn't UTF-8
 */
export function string(): Serde<string> {
  return STRING_SERDE
}

const STRING_SERDE: Serde<string> = {
  name: 'string',
  serialize: (value) => {
    if (typeof value !== 'string') throw new TidemarkError('NOT_SERIALISABLE', `the string serde got ${show(value)}`)
    if (!value.isWellFormed()) {
      throw new TidemarkError(
        'NOT_SERIALISABLE',
        `UTF-8 would not give back the lone surrogate in ${show(value)}; repair the text, or use json(), which escapes it`,
      )
    }
    return utf8.encode(value)
  },
  deserialize: wellFormed,
}

/** Bytes as they are. */
export function bytes(): Serde<Uint8Array> {
  return BYTES_SERDE
}

const BYTES_SERDE: Serde<Uint8Array> = { name: 'bytes', serialize: (value) => value, deserialize: (value) => value }
