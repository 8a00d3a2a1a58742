import { type Key, keyText } from '../record/key.js'

/** Keys' colours, each with a contrast of at least 3 to its background. */
export const LIGHT = [
  '#2563d9',
  '#0b8577',
  '#7a47d1',
  '#bf2f8a',
  '#bd5308',
  '#3a841b',
  '#cc3535',
  '#86600f',
  '#47637f',
  '#0a7dab',
]
export const DARK = [
  '#6ea8ff',
  '#3fd1bf',
  '#b49bff',
  '#ff8ad1',
  '#ffa45c',
  '#8fd65a',
  '#ff8585',
  '#dcb667',
  '#a3bcd9',
  '#5ccbf5',
]

/** Which colour a key has: by its hash, and the next one that is free as long as there is one. */
export class Palette {
  private readonly known = new Map<string, number>()

  colourOf(key: unknown): number {
    const text = key === null ? '' : keyText(key as Key)
    const known = this.known.get(text)
    if (known !== undefined) return known
    const count = LIGHT.length
    const wanted = hash(text) % count
    let colour = wanted
    if (this.known.size < count) {
      const taken = new Set(this.known.values())
      while (taken.has(colour)) colour = (colour + 1) % count
    }
    // Beyond that a key's colour is its hash alone, and needn't be remembered.
    if (this.known.size < 1_000) this.known.set(text, colour)
    return colour
  }
}

/** FNV-1a. */
function hash(text: string): number {
  let value = 0x811c9dc5
  for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193)
  return (value ^ (value >>> 15)) >>> 0
}
