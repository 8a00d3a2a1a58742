import type { Serde } from '../record/serde.js'

/** What a change of a row means to a group: a value that is taken out of it, one that comes in, or both. */
export interface GroupChange<V> {
  readonly old?: V
  readonly new?: V
}

const OLD = 1
const NEW = 2

/**
 * Changes of groups, as they go through the internal topic:
 *
 * ```
 * 1 byte    1: old value, 2: new value, 3: both
 * 4 bytes   only if both: length of the old value, big-endian
 * n bytes   the old value, as `value` writes it
 * m bytes   the new value, up to the end
 * ```
 */
export function groupChangeSerde<V>(value: Serde<V>): Serde<GroupChange<V>> {
  return {
    name: `group change of ${value.name}`,
    serialize(change) {
      const old = change.old === undefined ? undefined : value.serialize(change.old)
      const fresh = change.new === undefined ? undefined : value.serialize(change.new)
      const hasBoth = old !== undefined && fresh !== undefined
      const bytes = new Uint8Array((hasBoth ? 5 : 1) + (old?.length ?? 0) + (fresh?.length ?? 0))
      bytes[0] = (old === undefined ? 0 : OLD) | (fresh === undefined ? 0 : NEW)
      if (hasBoth) new DataView(bytes.buffer).setUint32(1, old.length)
      let at = hasBoth ? 5 : 1
      if (old !== undefined) bytes.set(old, at)
      at += old?.length ?? 0
      if (fresh !== undefined) bytes.set(fresh, at)
      return bytes
    },
    deserialize(bytes) {
      const kinds = bytes[0] as number
      const rest = bytes.subarray(1)
      if (kinds === OLD) return { old: value.deserialize(rest) }
      if (kinds === NEW) return { new: value.deserialize(rest) }
      const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(1)
      return {
        old: value.deserialize(bytes.subarray(5, 5 + length)),
        new: value.deserialize(bytes.subarray(5 + length)),
      }
    },
  }
}
