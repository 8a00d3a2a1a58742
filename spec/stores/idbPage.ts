import { loadAll } from '../../lib/ports/loadAll.js'
import { idb } from '../../lib/stores/idb.js'
import { storeConformance } from '../../lib/testing/storeConformance.js'

/*
 * The page of idb.chromium.spec.ts. A counter's value goes into two scopes in one commit, wide enough that their logs
 * are written anew every few commits: a torn write shows as two values.
 */
let databases = 0
const laws = storeConformance({
  fresh: () => idb(`${Date.now()} ${databases++}`),
  reopen: (closed) => idb(closed.name.slice('idb '.length)),
})

const SCOPES = ['left', 'right']
const entriesOf = (n: number) =>
  Array.from({ length: 40 }, (_, i) => [`key ${i}`, new Uint8Array(400).fill(n)] as const)
const commitOf = (n: number) => SCOPES.map((scope) => ({ scope, entries: entriesOf(n) }))
const store = idb('tidemark')

const page = {
  async runLaw(name: string) {
    const law = laws.find((each) => each.name === name)
    if (law === undefined) throw new Error(`no law: ${name}`)
    await law.run()
  },
  open: () => store.open('counter'),
  close: () => store.close(),
  /** Closes it while the browser does no more with the database, and gives what it says. */
  async closeBroken(): Promise<string> {
    const { transaction } = IDBDatabase.prototype
    IDBDatabase.prototype.transaction = () => {
      throw new DOMException('The database connection is closing.', 'InvalidStateError')
    }
    try {
      return await store.close().then(() => 'closed', String)
    } finally {
      IDBDatabase.prototype.transaction = transaction
    }
  },
  commit: (n: number) => store.commit(commitOf(n)),
  /** All distinct bytes in all scopes: one if nothing is torn. */
  async read(): Promise<number[]> {
    const found = new Set<number>()
    for (const scope of SCOPES)
      for (const [, value] of await loadAll(store, scope)) for (const byte of value) found.add(byte)
    return [...found]
  },
  /** Commits the next values without end, and says so after each. */
  async commitOn(from: number) {
    for (let n = from; ; n++) {
      await store.commit(commitOf(n % 256))
      console.log(`committed ${n}`)
    }
  },
  /** Commits what can't be compressed, with the counter, until that fails; gives the last that didn't. */
  async fill(): Promise<{ committed: number; error: string }> {
    for (let n = 1; n < 100; n++) {
      const value = new Uint8Array(1024 * 1024)
      for (let i = 0; i < value.length; i += 65_536) crypto.getRandomValues(value.subarray(i, i + 65_536))
      try {
        await store.commit([{ scope: 'fill', entries: [[`${n}`, value]] }, ...commitOf(n)])
      } catch (error) {
        return { committed: n - 1, error: `${error}` }
      }
    }
    return { committed: 99, error: 'none' }
  },
}

export type IdbPage = typeof page
Object.assign(globalThis, { store: page })
