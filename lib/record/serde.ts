import { show, TidemarkError } from './errors.js'

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
const decoder = new TextDecoder()

// Node's Buffer decodes and encodes short strings several times faster than TextDecoder; browsers have none.
const NodeBuffer = (
  globalThis as { Buffer?: { isBuffer(b: unknown): boolean; from(text: string, encoding: 'utf8'): Uint8Array } }
).Buffer

/** Text as UTF-8. */
export const utf8 = {
  encode: (text: string): Uint8Array => (NodeBuffer ? NodeBuffer.from(text, 'utf8') : encoder.encode(text)),
  decode: (bytes: Uint8Array): string =>
    NodeBuffer?.isBuffer(bytes)
      ? (bytes as unknown as { toString(encoding: 'utf8'): string }).toString('utf8')
      : decoder.decode(bytes),
}

/**
 * JSON as UTF-8. Refuses to write what JSON would not give back: undefined, NaN, bigint, functions, dates, maps,
 * sets and other class instances.
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
    const text = utf8.decode(bytes)
    try {
      return JSON.parse(text)
    } catch (cause) {
      throw new TidemarkError('DESERIALISE', `not JSON: ${show(text)}`, {}, { cause })
    }
  },
}

/** JSON text of a value that {@link json} would give back. */
export function toJson(value: unknown): string {
  assertJson(value, '')
  return JSON.stringify(value)
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
 * @throws TidemarkError `NOT_SERIALISABLE` for what is no string, or holds a lone surrogate
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
  deserialize: (bytes) => utf8.decode(bytes),
}

/** Bytes as they are. */
export function bytes(): Serde<Uint8Array> {
  return BYTES_SERDE
}

const BYTES_SERDE: Serde<Uint8Array> = { name: 'bytes', serialize: (value) => value, deserialize: (value) => value }
