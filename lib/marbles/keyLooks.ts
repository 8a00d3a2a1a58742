import { type Key, keyText } from '../record/key.js'
import { LIGHT } from './palette.js'

/** How a key is shown: which of the colours, and on which line of a lane. */
export interface KeyLook {
  readonly colour: number
  readonly row: number
}

/** Beyond so many keys their hash alone decides, and none more is remembered. */
const MAX_KEYS = 1_000

/** Looks of keys: a colour by the key's hash, or the next one that is free as long as there is one; lines in turn. */
export class KeyLooks {
  private readonly known = new Map<string, KeyLook>()

  constructor(private readonly rows: number) {}

  of(key: unknown): KeyLook {
    const text = key === null ? '' : keyText(key as Key)
    const known = this.known.get(text)
    if (known !== undefined) return known
    const number = hash(text)
    const { size } = this.known
    if (size >= MAX_KEYS) return { colour: number % LIGHT.length, row: number % this.rows }
    const look = { colour: this.freeColour(number % LIGHT.length), row: size % this.rows }
    this.known.set(text, look)
    return look
  }

  private freeColour(wanted: number): number {
    if (this.known.size >= LIGHT.length) return wanted
    const taken = new Set([...this.known.values()].map(({ colour }) => colour))
    let colour = wanted
    while (taken.has(colour)) colour = (colour + 1) % LIGHT.length
    return colour
  }
}

/** FNV-1a. */
function hash(text: string): number {
  let value = 0x811c9dc5
  for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193)
  return (value ^ (value >>> 15)) >>> 0
}
