/** Bytes as text, for states that hold them; null stays null. */
export const base64 = {
  encode: (bytes: Uint8Array | null): string | null =>
    bytes === null ? null : btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join('')),
  decode: (text: string | null): Uint8Array | null => {
    if (text === null) return null
    const chars = atob(text)
    const bytes = new Uint8Array(chars.length)
    // A callback for each would take fifty times as long.
    for (let i = 0; i < chars.length; i++) bytes[i] = chars.charCodeAt(i)
    return bytes
  },
}
