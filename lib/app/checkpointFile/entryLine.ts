import type { StoredEntry } from '../../ports/store.js'
import { base64 } from '../../record/base64.js'
import { type Key, keyText, parseKey } from '../../record/key.js'
import { utf8 } from '../../record/serde.js'
import { stateKey } from '../../task/state.js'
import { stateJson } from '../../task/stateJson.js'
import { encode } from '../../task/storedValue.js'
import { stateOf } from '../checkpoint.js'
import type { StateShape } from '../stateShape.js'

/** How a state's entries are filed; undefined for a state that the plan doesn't have. */
export type FormOf = (state: string) => StateShape['form'] | undefined

/** A key as JSON has it. */
type KeyJson =
  | string
  | number
  | boolean
  | readonly KeyJson[]
  | { readonly bigint: string }
  | { readonly number: string }

/** Where a value is filed in its state. */
interface Place {
  readonly key: KeyJson
  /** The start of its window, ms. */
  readonly window?: number
  /** Its place in time, ms, and its number among those of the same place and key. */
  readonly time?: number
  readonly seq?: number
}

/** An entry as a line has it: for people to read, or as bytes. */
export type EntryLine =
  | (Place & { readonly state: string; readonly value: unknown; readonly timestamp?: number })
  | { readonly entry: string; readonly bytes: string }

/** The line of an entry of a state, without its end. Text, not data: JSON.stringify knows no infinity. */
export function entryLine(task: string, [key, bytes]: StoredEntry, formOf: FormOf): string {
  const state = stateOf(key) as string
  return (
    readable(task, state, key.slice(stateKey(state, '').length), bytes, formOf(state)) ??
    JSON.stringify({ task, entry: key, bytes: base64.encode(bytes) })
  )
}

/** Undefined where the line wouldn't give back these very bytes. */
function readable(
  task: string,
  state: string,
  filed: string,
  bytes: Uint8Array,
  form: StateShape['form'] | undefined,
): string | undefined {
  if (form === undefined) return undefined
  try {
    const text = utf8.decode(bytes)
    const [content, timestamp = 0] = JSON.parse(text) as [unknown, number?]
    const value = stateJson(content)
    if (text !== (timestamp === 0 ? `[${value}]` : `[${value},${timestamp}]`)) return undefined
    const place = placeOf(form, filed)
    if (fileOf(form, place) !== filed) return undefined
    const before = JSON.stringify({ task, state, ...place }).slice(0, -1)
    return `${before},"value":${value}${timestamp === 0 ? '' : `,"timestamp":${timestamp}`}}`
  } catch {
    // Not what a state writes.
    return undefined
  }
}

/** The entry of a line. @throws what isn't as it should be */
export function entryOf(line: EntryLine, formOf: FormOf): StoredEntry {
  if ('entry' in line) return [line.entry, base64.decode(line.bytes) as Uint8Array]
  const { state, value, timestamp = 0 } = line
  const form = formOf(state)
  if (form === undefined) throw new Error(`the task has no state ${state}`)
  if (value === undefined) throw new Error('there is no value')
  const key = stateKey(state, fileOf(form, line))
  return [key, encode({ key, value, timestamp }, state)]
}

function placeOf(form: StateShape['form'], filed: string): Place {
  if (form === 'by key') return { key: keyToJson(parseKey(filed)) }
  const slash = filed.indexOf('/')
  const first = Number(filed.slice(0, slash))
  if (form === 'by window and key') return { key: keyToJson(parseKey(filed.slice(slash + 1))), window: first }
  const second = filed.indexOf('/', slash + 1)
  const key = keyToJson(parseKey(filed.slice(second + 1)))
  return { key, time: first, seq: Number(filed.slice(slash + 1, second)) }
}

function fileOf(form: StateShape['form'], { key, window, time, seq }: Place): string {
  const text = keyText(keyFromJson(key))
  if (form === 'by key') return text
  return form === 'by window and key' ? `${finite(window)}/${text}` : `${finite(time)}/${finite(seq)}/${text}`
}

function finite(number: unknown): number {
  if (Number.isFinite(number)) return number as number
  throw new Error('window, time and seq are numbers')
}

function keyToJson(key: Key): KeyJson {
  switch (typeof key) {
    case 'bigint':
      return { bigint: `${key}` }
    case 'number':
      return Number.isFinite(key) ? key : { number: `${key}` }
    case 'object':
      return key.map(keyToJson)
    default:
      return key
  }
}

function keyFromJson(json: KeyJson): Key {
  if (typeof json !== 'object') return json
  if (json === null) throw new Error('a key is never null')
  if ('bigint' in json) return BigInt(json.bigint)
  return 'number' in json ? Number(json.number) : json.map(keyFromJson)
}
