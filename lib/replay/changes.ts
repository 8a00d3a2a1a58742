import type { StoreEntry } from '../ports/store.js'

/** What has changed in states: by task, then key; null: it is gone. */
export type Changes = Map<string, Map<string, Uint8Array | null>>

/** Of one key the later one counts. */
export function mergeInto(changes: Changes, later: ReadonlyMap<string, Iterable<StoreEntry>>): void {
  for (const [task, entries] of later) {
    const own = changes.get(task)
    if (own === undefined) changes.set(task, new Map(entries))
    else
      for (const [key, value] of entries) {
        // States are in the order of insertion: what was gone comes in anew.
        if (own.get(key) === null) own.delete(key)
        own.set(key, value)
      }
  }
}
