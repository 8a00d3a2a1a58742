import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { memory, type StoreAdapter } from 'tidemark'
import { idb } from 'tidemark/idb'
import { level } from 'tidemark/level'
import { postgres } from 'tidemark/postgres'
import { findPostgres, startPostgres } from '../spec/postgres/launcher.js'

export const STORES = ['memory', 'level', 'idb', 'postgres'] as const
export type StoreName = (typeof STORES)[number]

/** Makes new, empty stores of one kind; `clear` deletes what they left behind. */
export interface StoreMaker {
  make(): StoreAdapter
  clear(): void | Promise<void>
}

export async function storeMaker(name: StoreName): Promise<StoreMaker> {
  switch (name) {
    case 'memory':
      return { make: memory, clear() {} }
    case 'level': {
      const folder = mkdtempSync(join(tmpdir(), 'tidemark-conformance-'))
      let count = 0
      return {
        make: () => level(join(folder, `${count++}`)),
        clear: () => rmSync(folder, { recursive: true, force: true }),
      }
    }
    case 'idb': {
      // Node has no IndexedDB: this one is in memory. `--chromium` has the real one.
      await import('./fakeIndexedDb.js')
      let count = 0
      return { make: () => idb(`conformance ${count++}`), clear() {} }
    }
    case 'postgres': {
      const programs = findPostgres()
      if (programs === undefined) throw new Error('PostgreSQL is not installed')
      const server = await startPostgres(programs)
      let count = 0
      return {
        make: () => postgres({ connectionString: server.connectionString, schema: `conformance ${count++}` }),
        clear: () => server.stop(),
      }
    }
  }
}
