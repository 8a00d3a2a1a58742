/** Bytes as text, for states that hold them; null stays null. */
export const base64 = {
  encode: (bytes: Uint8Array | null): string | null =>
    bytes === null ? null : btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join('')),
  decode: (text: string | null): Uint8Array | null =>
    text === null ? null : Uint8Array.from(atob(text), (char) => char.charCodeAt(0)),
}
