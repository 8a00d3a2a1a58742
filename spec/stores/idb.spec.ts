import 'fake-indexeddb/auto'
import { createStore, type UseStore } from 'idb-keyval'
import { loadAll } from '../../lib/ports/loadAll.js'
import type { StoreAdapter } from '../../lib/ports/store.js'
import { idb } from '../../lib/stores/idb.js'
import { storeConformance } from '../../lib/testing/storeConformance.js'
import { assertLikeModel } from './storeModel.js'

const bytes = (text: string) => new TextEncoder().encode(text)
const text = (value: Uint8Array) => new TextDecoder().decode(value)

describe('idb', () => {
  let databases = 0
  const freshDatabase = () => `database-${databases++}`
  const options = {
    fresh: () => idb(freshDatabase()),
    reopen: (closed: StoreAdapter) => idb(closed.name.slice('idb '.length)),
  }

  describe('keeps the contract of a store', () => {
    for (const law of storeConformance(options)) test(law.name, law.run)
  })

  test(
    'holds what a map of maps does, after random commits, clears and restarts',
    () => assertLikeModel(options, 60),
    60_000,
  )

  test('is durable and reads nothing synchronously', () => {
    expect(idb('tidemark')).toMatchObject({ name: 'idb tidemark', durable: true, shared: false })
    expect(idb('tidemark').getSync).toBeUndefined()
  })

  test.each(['', undefined, 5])('the database %j is refused', (database) => {
    expect(() => idb(database as string)).toThrow('BAD_OPTION: idb: the database must be a non-empty string')
  })

  test('databases and apps whose names join to the same do not mix', async () => {
    const database = freshDatabase()
    const [first, second] = [idb(`${database}/a`), idb(database)]
    await first.open('b')
    await second.open('a/b')
    await first.commit([{ scope: 's', entries: [['a', bytes('first')]] }])
    expect(await second.scopes()).toEqual([])
    await Promise.all([first.close(), second.close()])
  })

  test('where there are no Web Locks, the one that opened last has it', async () => {
    Object.defineProperty(globalThis, 'navigator', { value: undefined, configurable: true })
    const database = freshDatabase()
    const [first, second] = [idb(database), idb(database)]
    await first.open('app')
    await first.commit([{ scope: 's', entries: [['a', bytes('first')]] }])
    await second.open('app')
    const late = first.commit([{ scope: 's', entries: [['a', bytes('late')]] }])
    await expect(late).rejects.toMatchObject({ code: 'STORE_LOCKED' })
    await second.commit([{ scope: 's', entries: [['b', bytes('second')]] }])
    await expect(first.clear('s')).rejects.toMatchObject({ code: 'STORE_LOCKED' })
    expect(await contentsOf(second)).toEqual({ s: { a: 'first', b: 'second' } })
    await Promise.all([first.close(), second.close()])
  })

  test('a block that is gone is STORE_FAILED, not a smaller state', async () => {
    const database = freshDatabase()
    const store = idb(database)
    await store.open('app')
    for (const key of ['a', 'b']) await store.commit([{ scope: 's', entries: [[key, bytes(key)]] }])
    const useStore = createStore(`${database}/app`, 'tidemark')
    await useStore('readwrite', (raw) => raw.delete(['s', 0]))
    await expect(loadAll(store, 's')).rejects.toMatchObject({
      code: 'STORE_FAILED',
      message: expect.stringMatching(/1 blocks of 2/),
    })
    await store.close()
  })

  test('a browser without IndexedDB is STORE_FAILED, and says so', async () => {
    const { indexedDB } = globalThis
    Object.assign(globalThis, { indexedDB: undefined })
    try {
      await expect(idb(freshDatabase()).open('app')).rejects.toMatchObject({
        code: 'STORE_FAILED',
        message: expect.stringContaining('there is no IndexedDB here'),
      })
    } finally {
      Object.assign(globalThis, { indexedDB })
    }
  })

  test('a database that is emptied under it is STORE_FAILED, for reads as for writes, and holds nothing of what follows', async () => {
    const database = freshDatabase()
    const store = idb(database)
    await store.open('app')
    await store.commit([{ scope: 's', entries: [['a', bytes('a')]] }])
    const useStore = createStore(`${database}/app`, 'tidemark')
    await useStore('readwrite', (raw) => raw.clear())
    const deleted = { code: 'STORE_FAILED', message: expect.stringContaining('has been deleted while it was open') }
    await expect(loadAll(store, 's')).rejects.toMatchObject(deleted)
    await expect(store.commit([{ scope: 's', entries: [['b', bytes('b')]] }])).rejects.toMatchObject(deleted)
    expect(await allKeys(useStore)).toEqual([])
    await store.close()
  })

  describe('compaction', () => {
    test('keeps the log in proportion to what is live, and takes deleted scopes away', async () => {
      const database = freshDatabase()
      const store = idb(database)
      await store.open('app')
      for (let n = 0; n < 200; n++) {
        const entries = Array.from({ length: 10 }, (_, i) => [`key ${i}`, new Uint8Array(1_000).fill(n)] as const)
        await store.commit([
          { scope: 'overwritten', entries },
          { scope: 'emptied', entries: n < 199 ? entries : entries.map(([key]) => [key, null] as const) },
        ])
      }
      await store.clear('emptied')
      await store.close()
      const useStore = createStore(`${database}/app`, 'tidemark')
      const keys = await allKeys(useStore)
      expect(keys.filter((key) => Array.isArray(key) && key[0] === 'emptied')).toEqual([])
      // 64 KiB and twice the live 10 kB, in blocks of 10 kB.
      expect(keys.filter((key) => Array.isArray(key)).length).toBeLessThan(12)
    })

    test('splits a large scope into blocks', async () => {
      const database = freshDatabase()
      const store = idb(database)
      await store.open('app')
      const entries = Array.from({ length: 12_000 }, (_, i) => [`key ${i}`, bytes(`value ${i}`)] as const)
      await store.commit([
        { scope: 'many', entries },
        {
          scope: 'long',
          entries: Array.from({ length: 3 }, (_, i) => [`${i}`, new Uint8Array(5_000_000).fill(i)] as const),
        },
      ])
      await store.close()
      const keys = await allKeys(createStore(`${database}/app`, 'tidemark'))
      expect(keys.filter((key) => Array.isArray(key) && key[0] === 'many')).toHaveLength(3)
      expect(keys.filter((key) => Array.isArray(key) && key[0] === 'long')).toHaveLength(2)
      await store.open('app')
      const loaded = new Map(await loadAll(store, 'long'))
      expect([...loaded].map(([key, value]) => [key, value.length, value.at(-1)])).toEqual([
        ['0', 5_000_000, 0],
        ['1', 5_000_000, 1],
        ['2', 5_000_000, 2],
      ])
      await store.close()
    })
  })

  describe('crashes', () => {
    const large = 'x'.repeat(40_000)
    const before = { left: { a: large, b: 'old', c: 'old' }, right: { a: 'old' }, reset: { a: 'old' } }
    const after = {
      left: { a: large.replaceAll('x', 'y'), b: 'new', d: 'new' },
      right: { a: 'new' },
      reset: { z: 'new' },
      fresh: { a: 'new' },
    }

    /** The commit that makes `after` of `before`; it makes the log of `left` large enough to be compacted. */
    const commitAfter = (store: StoreAdapter) =>
      store.commit([
        {
          scope: 'left',
          entries: [
            ['a', bytes(after.left.a)],
            ['b', bytes('new')],
            ['c', null],
            ['d', bytes('new')],
          ],
        },
        { scope: 'right', entries: [['a', bytes('new')]] },
        { scope: 'reset', entries: [['z', bytes('new')]], reset: true },
        { scope: 'fresh', entries: [['a', bytes('new')]] },
      ])

    const methods = ['put', 'delete', 'get', 'getAll'] as const
    const faults = ['throws', 'aborts after'] as const
    test.each(faults)('a fault that %s any step of a commit or a compaction leaves a whole state', async (fault) => {
      let failed = 0
      for (let failing = 0; ; failing++) {
        const database = freshDatabase()
        const store = idb(database)
        await store.open('app')
        await store.commit(
          Object.entries(before).map(([scope, entries]) => ({
            scope,
            entries: Object.entries(entries).map(([k, v]) => [k, bytes(v)] as const),
          })),
        )

        const injected = injectFault(fault, failing)
        const isCommitted = await commitAfter(store).then(
          () => true,
          (error) => {
            expect(error).toMatchObject({ code: 'STORE_FAILED' })
            return false
          },
        )
        await store.close()
        injected.restore()
        const reopened = idb(database)
        await reopened.open('app')
        expect(await contentsOf(reopened)).toEqual(isCommitted ? after : before)

        await commitAfter(reopened)
        expect(await contentsOf(reopened)).toEqual(after)
        await reopened.close()
        if (!isCommitted) failed++
        if (!injected.hasFailed()) {
          // All steps of the commit and some of the compaction have had their turn.
          expect(failed).toBeGreaterThan(8)
          expect(failing - failed).toBeGreaterThan(4)
          return
        }
      }
    })

    test('the same adapter goes on after a failed commit and after a failed compaction', async () => {
      for (let failing = 0; failing < 25; failing++) {
        const store = idb(freshDatabase())
        await store.open('app')
        await commitAfter(store)
        const injected = injectFault('throws', failing)
        await commitAfter(store).catch(() => {})
        await store.commit([]).catch(() => {})
        injected.restore()
        await commitAfter(store)
        await store.commit([{ scope: 'left', entries: [['more', bytes('new')]] }])
        expect(await contentsOf(store)).toEqual({ ...after, left: { ...after.left, more: 'new' } })
        await store.close()
      }
    })

    test('a compaction that fails is not tried again at every commit', async () => {
      const store = idb(freshDatabase())
      await store.open('app')
      const getAll = IDBObjectStore.prototype.getAll
      let tries = 0
      IDBObjectStore.prototype.getAll = () => {
        tries++
        throw new Error('injected')
      }
      for (let n = 0; n < 40; n++) await store.commit([{ scope: 's', entries: [['a', new Uint8Array(10_000)]] }])
      await store.close()
      IDBObjectStore.prototype.getAll = getAll
      expect(tries).toBeGreaterThan(1)
      expect(tries).toBeLessThan(5)
    })

    function injectFault(fault: (typeof faults)[number], failing: number) {
      const original = Object.fromEntries(methods.map((method) => [method, IDBObjectStore.prototype[method]]))
      let calls = 0
      for (const method of methods) {
        IDBObjectStore.prototype[method] = function (this: IDBObjectStore, ...args: unknown[]) {
          const isFailing = calls++ === failing
          if (isFailing && fault === 'throws') throw new Error(`injected into ${method}`)
          const request = (original[method] as (...args: unknown[]) => IDBRequest).apply(this, args)
          if (isFailing) this.transaction.abort()
          return request
        } as never
      }
      return { restore: () => Object.assign(IDBObjectStore.prototype, original), hasFailed: () => calls > failing }
    }
  })

  const allKeys = (useStore: UseStore) =>
    useStore(
      'readonly',
      (raw) =>
        new Promise<IDBValidKey[]>((resolve) => {
          const request = raw.getAllKeys()
          request.onsuccess = () => resolve(request.result)
        }),
    )

  async function contentsOf(store: StoreAdapter): Promise<Record<string, Record<string, string>>> {
    const contents: Record<string, Record<string, string>> = {}
    for (const scope of await store.scopes()) {
      contents[scope] = Object.fromEntries(
        Array.from(await loadAll(store, scope), ([key, value]) => [key, text(value)]),
      )
    }
    return contents
  }
})
