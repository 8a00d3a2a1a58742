import { nodeBuffer } from './nodeBuffer.js'

/** Bytes as text, for states that hold them; null stays null. */
export const base64 = {
  encode: (bytes: Uint8Array | null): string | null => {
    if (bytes === null) return null
    if (nodeBuffer) return nodeBuffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64')
    let chars = ''
    for (const byte of bytes) chars += String.fromCharCode(byte)
    return btoa(chars)
  },
  decode: (text: string | null): Uint8Array | null => {
    if (text === null) return null
    const chars = atob(text)
    const bytes = new Uint8Array(chars.length)
    // A callback for each would take fifty times as long.
    for (let i = 0; i < chars.length; i++) bytes[i] = chars.charCodeAt(i)
    return bytes
  },
}
