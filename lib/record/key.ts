import { show, TidemarkError } from './errors.js'

/** Arrays in arrays, as keys: deeper ones are made to do harm. */
const MAX_DEPTH = 100

/** What a record can be keyed by. Equal and ordered by value, arrays part by part. */
export type Key = string | number | bigint | boolean | readonly Key[]

/**
 * A key as something a `Map` compares by value: primitives stand for themselves, arrays become text.
 * A leading NUL marks that text, so strings that begin with one are marked too.
 *
 * @throws TidemarkError `BAD_KEY` for what isn't a key (NaN, objects, undefined)
 */
export function keyIdentity(key: Key): string | number | bigint | boolean {
  switch (typeof key) {
    case 'string':
      return key.charCodeAt(0) === 0 ? `\u0000${keyText(key)}` : key
    case 'boolean':
    case 'bigint':
      return key
    case 'number':
      if (!Number.isNaN(key)) return key
      break
    case 'object':
      if (Array.isArray(key)) return `\u0000${keyText(key)}`
  }
  throw badKey(key)
}

/**
 * A key as text that can be turned back ({@link parseKey}); equal keys give equal text. Lone surrogates are
 * escaped, since a store that keeps UTF-8 would make them all the same.
 */
export function keyText(key: Key): string {
  switch (typeof key) {
    case 'string':
      return key.isWellFormed() ? `s${key}` : `j${JSON.stringify(key)}`
    case 'boolean':
      return key ? 'b1' : 'b0'
    case 'bigint':
      return `i${key}`
    case 'number':
      if (!Number.isNaN(key)) return `n${key + 0}`
      break
    case 'object':
      if (Array.isArray(key)) return `a${JSON.stringify(partsText(key, 1))}`
  }
  throw badKey(key)
}

/** An array's parts: text, or where a part is an array, its parts. */
type PartsText = readonly (string | PartsText)[]

function partsText(parts: readonly Key[], depth: number): PartsText {
  if (depth > MAX_DEPTH) throw badKey(parts)
  return parts.map((part) => (Array.isArray(part) ? partsText(part, depth + 1) : keyText(part)))
}

const parseParts = (parts: PartsText): Key =>
  parts.map((part) => (typeof part === 'string' ? parseKey(part) : parseParts(part)))

/** Whether something that a serde has made can be a record's key. */
export function isKey(key: unknown, depth = 0): key is Key {
  if (typeof key === 'object')
    return Array.isArray(key) && depth < MAX_DEPTH && key.every((part) => isKey(part, depth + 1))
  return typeof key === 'number' ? !Number.isNaN(key) : ['string', 'boolean', 'bigint'].includes(typeof key)
}

/** The key that {@link keyText} wrote. */
export function parseKey(text: string): Key {
  const rest = text.slice(1)
  switch (text[0]) {
    case 's':
      return rest
    case 'j':
      return JSON.parse(rest) as string
    case 'b':
      return rest === '1'
    case 'i':
      return BigInt(rest)
    case 'n':
      return Number(rest)
    case 'a':
      return parseParts(JSON.parse(rest) as PartsText)
  }
  throw new TidemarkError('BAD_KEY', `stored key ${show(text)} has no known type tag`)
}

const TYPE_ORDER: Record<string, number> = { boolean: 0, number: 1, bigint: 2, string: 3, object: 4 }

/** The order of keys: booleans, numbers, bigints, strings in the order of their UTF-8 bytes, arrays part by part. */
export function compareKeys(a: Key, b: Key): number {
  if (typeof a === 'string' && typeof b === 'string') return compareUtf8(a, b)
  if (typeof a !== typeof b) return (TYPE_ORDER[typeof a] as number) - (TYPE_ORDER[typeof b] as number)
  if (Array.isArray(a) && Array.isArray(b)) {
    const shared = Math.min(a.length, b.length)
    for (let i = 0; i < shared; i++) {
      const order = compareKeys(a[i], b[i])
      if (order !== 0) return order
    }
    return a.length - b.length
  }
  return a < b ? -1 : a > b ? 1 : 0
}

/** UTF-8 order by code unit: surrogates (U+10000 and up) sort after U+E000..U+FFFF, as their bytes do. */
function compareUtf8(a: string, b: string): number {
  const shared = Math.min(a.length, b.length)
  for (let i = 0; i < shared; i++) {
    const x = a.charCodeAt(i)
    const y = b.charCodeAt(i)
    if (x !== y) return (x >= 0xd800 ? rank(x) : x) - (y >= 0xd800 ? rank(y) : y)
  }
  return a.length - b.length
}

const rank = (unit: number) => (unit >= 0xe000 ? unit - 0x800 : unit + 0x2000)

export function badKey(key: unknown): TidemarkError {
  return new TidemarkError(
    'BAD_KEY',
    `a key must be a string, a number that isn't NaN, a bigint, a boolean or an array of these, at most ${MAX_DEPTH} deep; got ${show(key)}`,
  )
}
