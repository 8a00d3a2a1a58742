import type { StoreAdapter, StoreEntry } from '../ports/store.js'
import type { OpenSavepoint } from './savepoints.js'

/** A store that begins with a savepoint's checkpoints, and keeps nothing. */
export function shadowStore({ name, scopes: saved }: OpenSavepoint, durable: boolean): StoreAdapter {
  const scopes = new Map([...saved].map(([scope, entries]) => [scope, new Map<string, StoreEntry[1]>(entries)]))
  return {
    name: `savepoint ${name}`,
    durable,
    shared: false,
    async open() {},
    async load(scope, each) {
      await each([...(scopes.get(scope) ?? [])].filter((entry): entry is [string, Uint8Array] => entry[1] !== null))
    },
    async commit(changes) {
      for (const { scope, entries, reset } of changes) {
        const held = reset === true ? new Map<string, StoreEntry[1]>() : (scopes.get(scope) ?? new Map())
        for (const [key, value] of entries) {
          if (value === null) held.delete(key)
          else held.set(key, value)
        }
        scopes.set(scope, held)
      }
    },
    async clear(scope) {
      scopes.delete(scope)
    },
    scopes: async () => [...scopes].filter(([, entries]) => entries.size > 0).map(([scope]) => scope),
    async close() {},
  }
}
