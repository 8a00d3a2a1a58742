import { TidemarkError } from '../record/errors.js'
import { utf8 } from '../record/serde.js'
import type { Cell } from './state.js'
import { stateJson } from './stateJson.js'

/** The bytes of an entry of a state; or of one that stays in the store until it is asked for, its timestamp. */
export type StoredValue = Uint8Array | number

/** `[value]`, or `[value,timestamp]`, as JSON. @throws TidemarkError `NOT_SERIALISABLE` */
export function encode(cell: Pick<Cell<unknown>, 'key' | 'value' | 'timestamp'>, state: string): Uint8Array {
  try {
    return utf8.encode(
      cell.timestamp === 0 ? `[${stateJson(cell.value)}]` : `[${stateJson(cell.value)},${cell.timestamp}]`,
    )
  } catch (cause) {
    throw new TidemarkError(
      'NOT_SERIALISABLE',
      `state ${state} holds a value that a checkpoint can't write`,
      { operator: state, key: cell.key },
      { cause },
    )
  }
}

/** @throws TidemarkError `STORE_FAILED` */
export function decode<V>(value: Uint8Array, state: string): [content: V, timestamp: number] {
  try {
    const [content, timestamp = 0] = JSON.parse(utf8.decode(value)) as [V, number?]
    return [content, timestamp]
  } catch (cause) {
    throw new TidemarkError(
      'STORE_FAILED',
      `state ${state} holds an entry that isn't what a checkpoint writes`,
      { operator: state },
      { cause },
    )
  }
}

/** Whether a value may leave memory. What takes no more there than what would stand for it stays: numbers, booleans, null. */
export const mayLeave = (value: unknown): boolean =>
  typeof value === 'string' || (typeof value === 'object' && value !== null)

const [COMMA, QUOTE, BRACKET, BRACE] = [0x2c, 0x22, 0x5b, 0x7b]
const NUMBER = new Set(Array.from('0123456789+-.e', (character) => character.charCodeAt(0)))

/** What stands for an entry whose value may stay in the store: its timestamp; else its bytes. */
export function standIn(bytes: Uint8Array): StoredValue {
  const first = bytes[1]
  if (first !== QUOTE && first !== BRACKET && first !== BRACE) return bytes
  // Such a value ends with a quote, bracket or brace: what ends with a comma and a number ends with a timestamp.
  let at = bytes.length - 2
  while (NUMBER.has(bytes[at] as number)) at--
  return bytes[at] === COMMA ? Number(utf8.decode(bytes.subarray(at + 1, -1))) : 0
}
