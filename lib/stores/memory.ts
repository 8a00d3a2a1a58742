import type { StoreAdapter } from '../ports/store.js'
import { type OpenStore, storeAdapter } from './storeAdapter.js'

/**
 * Keeps checkpoints in this process's memory: nothing outlives the process, so unnamed state is fine.
 *
 * The data belongs to the adapter object: closing it and opening it again finds what was committed. A test simulates
 * a restart so, without a disk. Each app has its own data.
 *
 * ```ts
 * const app = createApp({ id: 'spend', broker: embedded(), store: memory() })
 * ```
 */
export function memory(): StoreAdapter {
  const apps = new Map<string, Scopes>()
  return storeAdapter({
    name: 'memory',
    durable: false,
    shared: false,
    async take(app) {
      const scopes: Scopes = apps.get(app) ?? new Map()
      apps.set(app, scopes)
      return openMemory(scopes)
    },
    getSync: (store, scope, key) => store.get(scope, key),
  })
}

type Scopes = Map<string, Map<string, Uint8Array>>

interface OpenMemory extends OpenStore {
  get(scope: string, key: string): Uint8Array | undefined
}

function openMemory(data: Scopes): OpenMemory {
  return {
    get(scope, key) {
      const value = data.get(scope)?.get(key)
      return value && new Uint8Array(value)
    },
    async load(scope, each) {
      await each(Array.from(data.get(scope) ?? [], ([key, value]) => [key, new Uint8Array(value)] as const))
    },
    async write(changes) {
      for (const [scope, { reset, entries }] of changes) {
        const held = (!reset && data.get(scope)) || new Map<string, Uint8Array>()
        for (const [key, value] of entries) {
          if (value === null) held.delete(key)
          else held.set(key, new Uint8Array(value))
        }
        if (held.size === 0) data.delete(scope)
        else data.set(scope, held)
      }
    },
    scopes: async () => [...data.keys()],
    release: async () => {},
  }
}
