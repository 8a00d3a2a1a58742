import { createStore, promisifyRequest, type UseStore } from 'idb-keyval'
import type { StoreAdapter } from '../ports/store.js'
import { show, TidemarkError } from '../record/errors.js'
import { blockBytes, type EntryBlock, packBlocks, unpackBlocks } from './entryBlock.js'
import type { ScopeChanges } from './mergeChanges.js'
import { type OpenStore, storeAdapter } from './storeAdapter.js'
import { webLock } from './webLock.js'

/**
 * Keeps checkpoints in the browser's IndexedDB, through idb-keyval: one database `<database>/<app>` per app.
 *
 * A scope is a log of blocks and a manifest that says which blocks count. A commit adds one block of what changed to
 * each of its scopes, with their manifests, in one IndexedDB transaction. When a log has grown to twice what it was
 * after the last time, its live entries are written anew and the old blocks deleted, again in one transaction.
 *
 * One tab at a time has an app's database, by a Web Lock for which `open` waits a second. Where there are none
 * (pages without a secure context) the tab that opened last has it, and commits of the one before are refused; both
 * with `STORE_LOCKED`. So they are of a page that the browser has put aside, into its back/forward cache say, and
 * brought back when another had opened it meanwhile. Where there is no more room a commit is `STORE_FULL`: nothing of
 * it is kept, and all that was there before is. When the database is deleted under it, as a user does who clears the
 * site's data, or the browser has found it damaged and deleted it, that is `STORE_FAILED`, and what opens it next
 * begins anew.
 *
 * ```ts
 * const app = createApp({ id: 'spend', broker: embedded(), store: idb('tidemark') })
 * ```
 *
 * @throws TidemarkError `BAD_OPTION`
 */
export function idb(database: string): StoreAdapter {
  if (typeof database !== 'string' || database === '') {
    throw new TidemarkError('BAD_OPTION', `idb: the database must be a non-empty string; got ${show(database)}`)
  }
  const name = `idb ${database}`
  return storeAdapter({
    name,
    durable: true,
    shared: false,
    async take(app) {
      const path = `${database}/${encodeURIComponent(app)}`
      if (globalThis.indexedDB === undefined)
        throw new Error('there is no IndexedDB here; a private window may have none')
      const unlock = await webLock(`tidemark ${path}`)
      if (unlock === undefined) throw lockedByAnother(name)
      try {
        await createDatabase(name, path)
        return await openIdb(name, strictly(createStore(path, OBJECTS)), unlock)
      } catch (error) {
        await unlock()
        throw error
      }
    },
  })
}

/** A scope's log: its blocks are numbered from 0. */
interface Manifest {
  readonly blocks: number
  readonly bytes: number
  /** The log is written anew when it has more bytes than this. */
  readonly compactAt: number
  /** The scope surely holds so many entries; how many exactly is known after compaction only. */
  readonly atLeast: number
}

const MIN_COMPACT_BYTES = 64 * 1024
const EMPTY: Manifest = { blocks: 0, bytes: 0, compactAt: MIN_COMPACT_BYTES, atLeast: 0 }

const OBJECTS = 'tidemark'

/** Chromium's own part of the event: whether it had a database that it found damaged and deleted. */
type DataLoss = IDBVersionChangeEvent & { readonly dataLoss?: 'none' | 'total'; readonly dataLossMessage?: string }

/**
 * Makes the database where there is none. Chromium deletes one that it finds damaged and says so to whoever makes it
 * anew, once: without this, state would be gone and nobody told.
 */
async function createDatabase(name: string, path: string): Promise<void> {
  const request = indexedDB.open(path)
  let lost: string | undefined
  request.onupgradeneeded = (event: DataLoss) => {
    request.result.createObjectStore(OBJECTS)
    if (event.dataLoss === 'total') lost = event.dataLossMessage
  }
  const database = await promisifyRequest(request)
  database.close()
  if (lost !== undefined) throw damaged(name, lost)
}

// Keys in the object store, in IndexedDB's order: a number, the manifests' strings, the blocks' arrays.
const EPOCH = 0
const manifestKeys = () => IDBKeyRange.bound('', [], false, true)
const blockKeys = (scope: string) => IDBKeyRange.bound([scope, 0], [scope, Number.POSITIVE_INFINITY])

async function openIdb(name: string, useStore: UseStore, unlock: () => Promise<void>): Promise<OpenStore> {
  const manifests = new Map<string, Manifest>()
  let compaction: Promise<void> = Promise.resolve()

  const epoch = await transact(name, useStore, 'readwrite', async (store) => {
    const last: number = (await promisifyRequest(store.get(EPOCH))) ?? 0
    const scopes = (await promisifyRequest(store.getAllKeys(manifestKeys()))) as string[]
    const found: Manifest[] = await promisifyRequest(store.getAll(manifestKeys()))
    for (const [index, scope] of scopes.entries()) manifests.set(scope, found[index] as Manifest)
    store.put(last + 1, EPOCH)
    return last + 1
  })

  /** In the transaction, so that nothing comes between. */
  async function checkOurs(store: IDBObjectStore): Promise<void> {
    const found = await promisifyRequest(store.get(EPOCH))
    if (found === undefined) throw deleted(name)
    if (found !== epoch) throw lockedByAnother(name)
  }

  /** Each write is one transaction, in which a writer that another has replaced finds out. */
  async function change(body: (store: IDBObjectStore) => Promise<Map<string, Manifest | undefined>>): Promise<void> {
    const changed = await transact(name, useStore, 'readwrite', async (store) => {
      await checkOurs(store)
      const after = await body(store)
      for (const [scope, manifest] of after) {
        if (manifest === undefined) store.delete(scope)
        else store.put(manifest, scope)
      }
      return after
    })
    for (const [scope, manifest] of changed) {
      if (manifest === undefined) manifests.delete(scope)
      else manifests.set(scope, manifest)
    }
  }

  async function compact(scopes: Iterable<string>): Promise<void> {
    for (const scope of scopes) {
      const before = manifests.get(scope)
      if (before === undefined || before.bytes <= before.compactAt) continue
      await change(async (store) => new Map([[scope, replace(store, scope, await readScope(store, scope))]])).catch(
        () => {
          // All is as it was, only longer than need be: try again once there is as much more to gain. What is really
          // wrong, the next commit meets as well.
          manifests.set(scope, { ...before, compactAt: 2 * before.bytes })
        },
      )
    }
  }

  const entriesOf = (scope: string) =>
    transact(name, useStore, 'readonly', async (store) => {
      await checkOurs(store)
      return readScope(store, scope)
    })

  return {
    load: async (scope, each) => each(await entriesOf(scope)),
    async write(changes) {
      await compaction
      await change(async (store) => {
        const after = new Map<string, Manifest | undefined>()
        for (const [scope, changed] of changes) after.set(scope, append(store, scope, manifests.get(scope), changed))
        return after
      })
      compaction = compact(changes.keys())
    },
    async scopes() {
      const held: string[] = []
      for (const [scope, { atLeast }] of [...manifests]) {
        if (atLeast > 0 || (await entriesOf(scope)).size > 0) held.push(scope)
      }
      return held
    },
    async release() {
      await compaction
      try {
        await useStore('readonly', (store) => store.transaction.db.close())
      } finally {
        await unlock()
      }
    },
  }
}

/** Adds a commit's entries to a scope's log; gives the manifest that follows, none for a scope without a log. */
function append(store: IDBObjectStore, scope: string, last: Manifest | undefined, changes: ScopeChanges) {
  if (changes.reset) store.delete(blockKeys(scope))
  const before = (!changes.reset && last) || EMPTY
  let puts = 0
  for (const value of changes.entries.values()) if (value !== null) puts++
  if (puts === 0 && before === EMPTY) return undefined

  const deletes = changes.entries.size - puts
  const { blocks, bytes } = putBlocks(store, scope, before, changes.entries)
  return { blocks, bytes, compactAt: before.compactAt, atLeast: Math.max(before.atLeast - deletes, puts) }
}

/** Puts blocks of just the live entries in the place of a scope's log. */
function replace(store: IDBObjectStore, scope: string, live: Map<string, Uint8Array>): Manifest | undefined {
  store.delete(blockKeys(scope))
  if (live.size === 0) return undefined
  const { blocks, bytes } = putBlocks(store, scope, EMPTY, live)
  return { blocks, bytes, compactAt: 2 * bytes + MIN_COMPACT_BYTES, atLeast: live.size }
}

function putBlocks(store: IDBObjectStore, scope: string, after: Manifest, entries: ScopeChanges['entries']) {
  let { blocks, bytes } = after
  for (const block of packBlocks(entries)) {
    store.put(block, [scope, blocks++])
    bytes += blockBytes(block)
  }
  return { blocks, bytes }
}

async function readScope(store: IDBObjectStore, scope: string): Promise<Map<string, Uint8Array>> {
  const manifest: Manifest = (await promisifyRequest(store.get(scope))) ?? EMPTY
  const blocks: EntryBlock[] = await promisifyRequest(store.getAll(blockKeys(scope)))
  if (blocks.length === manifest.blocks) return unpackBlocks(blocks)
  const message = `scope ${show(scope)} has ${blocks.length} blocks of ${manifest.blocks}: something else changed the database`
  throw new TidemarkError('STORE_FAILED', message)
}

/** Runs `body` in one transaction; if anything in it throws or fails, none of it is kept. */
async function transact<T>(
  name: string,
  useStore: UseStore,
  mode: IDBTransactionMode,
  body: (store: IDBObjectStore) => Promise<T>,
): Promise<T> {
  return useStore(mode, async (store) => {
    const { transaction } = store
    const completed = new Promise<void>((resolve, reject) => {
      transaction.oncomplete = () => resolve()
      transaction.onabort = () => reject(transaction.error ?? new Error('the transaction was aborted'))
    })
    completed.catch(() => {})
    try {
      const result = await body(store)
      await completed
      return result
    } catch (error) {
      abort(transaction)
      const cause = transaction.error ?? error
      throw (cause as Error).name === 'QuotaExceededError' ? outOfRoom(name, cause) : cause
    }
  })
}

/** Writes are on disk before they count as committed: by default a browser may lose those of the last moments when it is killed. */
const strictly =
  (useStore: UseStore): UseStore =>
  (mode, body) =>
    useStore('readonly', (store) => {
      const { db } = store.transaction
      return body(db.transaction(store.name, mode, { durability: 'strict' }).objectStore(store.name))
    })

function abort(transaction: IDBTransaction): void {
  try {
    transaction.abort()
  } catch {
    // It has ended by itself already; there is no way to ask before.
  }
}

function outOfRoom(name: string, cause: unknown): TidemarkError {
  const message = `${name}: the browser has no more room for this page's data; free some and start again. All that was committed is whole`
  return new TidemarkError('STORE_FULL', message, {}, { cause })
}

function deleted(name: string): TidemarkError {
  return new TidemarkError(
    'STORE_FAILED',
    `${name}: its database has been deleted while it was open; reload to begin anew`,
  )
}

function damaged(name: string, reason: string): TidemarkError {
  return new TidemarkError(
    'STORE_FAILED',
    `${name}: the browser has found its database damaged and deleted it, with all that was committed (${reason}); reload to begin anew`,
  )
}

function lockedByAnother(name: string): TidemarkError {
  return new TidemarkError('STORE_LOCKED', `${name}: another tab or worker has it; close that one, or open there`)
}
