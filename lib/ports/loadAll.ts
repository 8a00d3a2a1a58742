import type { StoreAdapter, StoredEntry } from './store.js'

/** All entries of a scope, at once: for scopes that aren't large. */
export async function loadAll(store: Pick<StoreAdapter, 'load'>, scope: string): Promise<StoredEntry[]> {
  const all: StoredEntry[] = []
  await store.load(scope, (entries) => {
    for (const entry of entries) all.push(entry)
  })
  return all
}
