import { loadAll } from '../ports/loadAll.js'
import type { StoreAdapter, StoreChanges, StoreEntry } from '../ports/store.js'
import { show, TidemarkError } from '../record/errors.js'

export interface StoreConformanceOptions {
  /** Makes an adapter that isn't open, over a place of its own where there is no data. Called once for each law. */
  fresh(): StoreAdapter | Promise<StoreAdapter>
  /**
   * Makes the adapter by which the next process would find the data of `closed`. An adapter whose data belongs to the
   * object gives back `closed` itself. Needed if the adapter is durable, and if it is shared: then it is called while `closed` is open too.
   */
  reopen?(closed: StoreAdapter): StoreAdapter | Promise<StoreAdapter>
}

/** One sentence of the contract, and a check of it that rejects where an adapter breaks it. */
export interface StoreLaw {
  readonly name: string
  run(): Promise<void>
}

/**
 * The contract of {@link StoreAdapter} as a list of laws, for whoever writes one. It needs no test framework and
 * nothing of Node, so it runs under any runner and in a page of a browser:
 *
 * ```ts
 * for (const law of storeConformance({ fresh: () => myStore(newFolder()), reopen: (closed) => myStore(folderOf(closed)) })) {
 *   test(law.name, law.run)
 * }
 * ```
 *
 * What happens at a crash it can't try: kill a process of yours in mid-commit too.
 */
export function storeConformance(options: StoreConformanceOptions): StoreLaw[] {
  return Object.entries(laws).map(([name, law]) => ({
    name,
    async run() {
      let store = await options.fresh()
      try {
        await store.open(APP)
        await law(
          store,
          async (check) => {
            await check(store)
            await store.close()
            if (options.reopen) store = await options.reopen(store)
            else if (store.durable) throw new Error('a durable adapter needs options.reopen')
            else return
            await store.open(APP)
            await check(store)
          },
          async (between) => {
            if (!store.shared) return
            if (!options.reopen) throw new Error('a shared adapter needs options.reopen')
            const other = await options.reopen(store)
            await other.open(APP)
            try {
              await between(other as SharedStore)
            } finally {
              await other.close()
            }
          },
        )
      } finally {
        await store.close()
      }
    },
  }))
}

const APP = 'conformance'

/** Names that break a store which joins, escapes or looks up carelessly. */
const AWKWARD = [
  'a',
  'ab',
  'a/b',
  'a/',
  '/',
  '..',
  '',
  'a\u0000',
  'a\u0000\u0000',
  'a\u0000\u0000b',
  'a\u0000\u0001',
  '\u0000',
  '\u0000\u0000',
  '\u0001',
  '\uffff',
  '\ufeffa',
  '\u{10ffff}',
  '🐋',
  'é',
  'e\u0301',
  'A',
  '__proto__',
  'constructor',
  '%00',
  '!',
  '"\\\n',
] as const

type SharedStore = StoreAdapter & Required<Pick<StoreAdapter, 'claim'>>

/**
 * `nowAndReopened` is for a law's end: it makes its check, and makes it again after close and re-opening. `withAnother` gives the store of
 * another process, where stores are shared, and does nothing where they aren't.
 */
type Law = (
  store: StoreAdapter,
  nowAndReopened: (check: (store: StoreAdapter) => Promise<void>) => Promise<void>,
  withAnother: (between: (other: SharedStore) => Promise<void>) => Promise<void>,
) => Promise<void>

const laws: Record<string, Law> = {
  async 'a scope that was never written is empty'(store) {
    await assertHolds(store, 'never', [])
    assertSame('scopes', await store.scopes(), [])
  },

  async 'a commit puts entries, changes some and leaves the others'(store, nowAndReopened) {
    await store.commit([{ scope: 's', entries: [put('a', 'one'), put('b', 'two')] }])
    await store.commit([{ scope: 's', entries: [put('b', 'TWO'), put('c', 'three')] }])
    await nowAndReopened((s) => assertHolds(s, 's', [put('a', 'one'), put('b', 'TWO'), put('c', 'three')]))
  },

  async 'null deletes, and deleting what is not there is no error'(store, nowAndReopened) {
    await store.commit([{ scope: 's', entries: [put('a', 'one'), put('b', 'two')] }])
    await store.commit([
      {
        scope: 's',
        entries: [
          ['a', null],
          ['never', null],
        ],
      },
      { scope: 'never', entries: [['never', null]] },
    ])
    await nowAndReopened(async (s) => {
      await assertHolds(s, 's', [put('b', 'two')])
      await assertHolds(s, 'never', [])
    })
  },

  async 'the last entry of a key in one commit wins'(store, nowAndReopened) {
    await store.commit([
      {
        scope: 's',
        entries: [put('a', 'first'), put('a', 'last'), put('b', 'put'), ['b', null], ['c', null], put('c', 'put')],
      },
      { scope: 't', entries: [put('a', 't')] },
      { scope: 's', entries: [put('d', 'of a second part'), put('c', 'of a second part')] },
    ])
    await nowAndReopened(async (s) => {
      await assertHolds(s, 's', [put('a', 'last'), put('c', 'of a second part'), put('d', 'of a second part')])
      await assertHolds(s, 't', [put('a', 't')])
    })
  },

  async 'a commit of nothing is no error and leaves nothing'(store) {
    await store.commit([])
    await store.commit([{ scope: 's', entries: [] }])
    assertSame('scopes', await store.scopes(), [])
  },

  async 'reset forgets what the scope held, and nothing else'(store, nowAndReopened) {
    const old = [put('a', 'old'), put('b', 'old')]
    await store.commit(['s', 'kept', 'emptied'].map((scope) => ({ scope, entries: old })))
    await store.commit([
      { scope: 's', entries: [put('b', 'new'), put('c', 'new')], reset: true },
      { scope: 'emptied', entries: [], reset: true },
    ])
    await store.commit([{ scope: 's', entries: [put('d', 'later')] }])
    await nowAndReopened(async (s) => {
      await assertHolds(s, 's', [put('b', 'new'), put('c', 'new'), put('d', 'later')])
      await assertHolds(s, 'kept', old)
      await assertHolds(s, 'emptied', [])
    })
  },

  async 'a reset forgets what stood before it in the same commit too'(store) {
    await store.commit([
      { scope: 's', entries: [put('a', 'before')] },
      { scope: 's', entries: [put('b', 'after')], reset: true },
      { scope: 's', entries: [put('c', 'after')] },
    ])
    await assertHolds(store, 's', [put('b', 'after'), put('c', 'after')])
  },

  async 'clear forgets a scope, and nothing else'(store, nowAndReopened) {
    await store.commit(['s', 'kept'].map((scope) => ({ scope, entries: [put('a', 'old')] })))
    await store.clear('s')
    await store.clear('never')
    await assertHolds(store, 's', [])
    await store.commit([{ scope: 's', entries: [put('b', 'new')] }])
    await nowAndReopened(async (s) => {
      await assertHolds(s, 's', [put('b', 'new')])
      await assertHolds(s, 'kept', [put('a', 'old')])
    })
  },

  async 'scopes() names the scopes that hold something'(store, nowAndReopened) {
    const scopes = ['reset', 'cleared', 'emptied', 'reduced']
    await store.commit(scopes.map((scope) => ({ scope, entries: [put('a', ''), put('b', '')] })))
    assertSame('scopes', await store.scopes(), scopes)
    await store.clear('cleared')
    await store.commit([{ scope: 'reset', entries: [['a', null]], reset: true }])
    await store.commit([{ scope: 'emptied', entries: [['a', null]] }])
    await store.commit([
      { scope: 'emptied', entries: [['b', null]] },
      {
        scope: 'reduced',
        entries: [
          ['b', null],
          ['never', null],
        ],
      },
    ])
    await nowAndReopened(async (s) => assertSame('scopes', await s.scopes(), ['reduced']))
  },

  async 'scopes never mix, whatever their names'(store, nowAndReopened) {
    await store.commit(AWKWARD.map((scope) => ({ scope, entries: [put('key', scope), put(`only ${scope}`, '')] })))
    await nowAndReopened(async (s) => {
      assertSame('scopes', await s.scopes(), AWKWARD)
      for (const scope of AWKWARD) await assertHolds(s, scope, [put('key', scope), put(`only ${scope}`, '')])
    })
  },

  async 'clearing or resetting a scope leaves those with names like it'(store) {
    for (const gone of AWKWARD) {
      await store.commit(AWKWARD.map((scope) => ({ scope, entries: [put('key', scope)] })))
      if (AWKWARD.indexOf(gone) % 2 === 0) await store.clear(gone)
      else await store.commit([{ scope: gone, entries: [], reset: true }])
      const left = AWKWARD.filter((scope) => scope !== gone)
      assertSame(`scopes without ${show(gone)}`, await store.scopes(), left)
    }
  },

  async 'keys never mix, whatever they are'(store, nowAndReopened) {
    const entries = AWKWARD.map((key) => put(key, `value of ${key}`))
    const deleted = AWKWARD.filter((_, i) => i % 3 === 1)
    await store.commit([{ scope: 's', entries }])
    await store.commit([{ scope: 's', entries: deleted.map((key) => [key, null]) }])
    await nowAndReopened((s) =>
      assertHolds(
        s,
        's',
        entries.filter((_, i) => i % 3 !== 1),
      ),
    )
  },

  async 'every byte comes back: none, each, a view into a larger buffer, 1 MB'(store, nowAndReopened) {
    const each = Uint8Array.from({ length: 256 }, (_, i) => i)
    const entries: StoreEntry[] = [
      ['none', new Uint8Array()],
      ['each', each],
      ['view', each.subarray(17, 20)],
      ['1 MB', Uint8Array.from({ length: 1024 * 1024 }, (_, i) => (i * 31) ^ (i >> 8))],
      put('after', 'those'),
    ]
    await store.commit([{ scope: 's', entries }])
    await nowAndReopened((s) => assertHolds(s, 's', entries))
  },

  async '20,000 entries come back, from one commit and from many'(store, nowAndReopened) {
    const entries = Array.from({ length: 20_000 }, (_, i) => put(`key ${i}`, `value ${i}`))
    await store.commit([{ scope: 'one', entries }])
    for (let i = 0; i < entries.length; i += 1_000) {
      await store.commit([{ scope: 'many', entries: entries.slice(i, i + 1_000) }])
    }
    await nowAndReopened(async (s) => {
      await assertHolds(s, 'one', entries)
      await assertHolds(s, 'many', entries)
    })
  },

  async 'a scope that is overwritten again and again holds the last of it'(store, nowAndReopened) {
    const round = (n: number) =>
      Array.from({ length: 200 }, (_, i) => put(`key ${(n * 7 + i) % 300}`, `${n} ${'x'.repeat(100)}`))
    const expected = new Map<string, Uint8Array | null>()
    for (let n = 0; n < 40; n++) {
      await store.commit([{ scope: 's', entries: [...round(n), [`key ${n}`, null]] }])
      for (const [key, value] of round(n)) expected.set(key, value)
      expected.delete(`key ${n}`)
    }
    await nowAndReopened((s) => assertHolds(s, 's', [...expected]))
  },

  async 'commits are applied in the order of the calls, though nobody waits'(store, nowAndReopened) {
    const running: Promise<void>[] = []
    const expected = new Map<string, Uint8Array>()
    for (let i = 0; i < 60; i++) {
      const size = i % 5 === 0 ? 1_000 : 1
      const entries = Array.from({ length: size }, (_, j) => put(`key ${i + j}`, `commit ${i}`))
      const reset = i === 20
      if (i === 10) running.push(store.clear('s'))
      if (i === 10 || reset) expected.clear()
      running.push(store.commit([{ scope: 's', entries, reset }]))
      for (const [key, value] of entries) expected.set(key, value)
    }
    await Promise.all(running)
    await nowAndReopened((s) => assertHolds(s, 's', [...expected]))
  },

  async 'a commit takes what its arguments were when it was called'(store, nowAndReopened) {
    const value = bytesOf('then')
    const entry: [string, Uint8Array | null] = ['a', value]
    const entries: StoreEntry[] = [entry, put('b', 'then')]
    const changes: StoreChanges[] = [{ scope: 's', entries }]
    const running = [store.commit([{ scope: 'first', entries }]), store.commit(changes)]
    value.fill(0)
    entry[1] = null
    entries.length = 0
    changes.length = 0
    await Promise.all(running)
    await nowAndReopened(async (s) => {
      await assertHolds(s, 'first', [put('a', 'then'), put('b', 'then')])
      await assertHolds(s, 's', [put('a', 'then'), put('b', 'then')])
    })
  },

  async "bytes that load gave are the caller's to change"(store) {
    await store.commit([{ scope: 's', entries: [put('a', 'kept')] }])
    for (const [, value] of await loadAll(store, 's')) value.fill(0)
    await assertHolds(store, 's', [put('a', 'kept')])
  },

  async 'what load gave stays as it was when it resolved'(store) {
    await store.commit([{ scope: 's', entries: [put('a', 'old'), put('b', 'old')] }])
    const before = await loadAll(store, 's')
    await store.commit([{ scope: 's', entries: [put('a', 'new'), put('c', 'new'), ['b', null]] }])
    await store.clear('s')
    assertEntries('s', before, [put('a', 'old'), put('b', 'old')])
  },

  async 'load waits for who takes a piece, who may commit meanwhile, and rejects with their error'(store) {
    const entries = Array.from({ length: 5_000 }, (_, i) => put(`key ${i}`, 'old'))
    await store.commit([{ scope: 's', entries }])
    const taken: StoreEntry[] = []
    let isTaking = false
    await store.load('s', async (piece) => {
      assert(!isTaking, 'a piece came before the last one was taken')
      isTaking = true
      taken.push(...piece)
      await store.commit([{ scope: 's', entries: entries.map(([key]) => put(key, 'new')) }])
      isTaking = false
    })
    assert(!isTaking, 'load resolved before the last piece was taken')
    assertEntries('s', taken, entries)
    const error = new Error("the caller's own")
    const failing = store.load('s', async () => {
      throw error
    })
    assert((await failing.catch((thrown) => thrown)) === error, 'load must reject with the error of who takes a piece')
    await assertHolds(
      store,
      's',
      entries.map(([key]) => put(key, 'new')),
    )
  },

  async 'load never sees half of a commit'(store) {
    const all = (n: number) => Array.from({ length: 500 }, (_, i) => put(`key ${i}`, `${n}`))
    await store.commit([{ scope: 's', entries: all(0) }])
    const running: Promise<unknown>[] = []
    for (let n = 1; n <= 10; n++) {
      running.push(store.commit([{ scope: 's', entries: all(n), reset: n % 2 === 0 }]))
      running.push(
        loadAll(store, 's').then((loaded) => {
          const values = Array.from(loaded, ([, value]) => textOf(value))
          assertSame('distinct values in one load', [new Set(values).size, values.length], [1, 500])
        }),
      )
    }
    await Promise.all(running)
  },

  async 'getSync reads what was committed, where there is one'(store) {
    if (!store.getSync) return
    const read = (scope: string, key: string) => {
      const value = store.getSync?.(scope, key)
      return value && textOf(value)
    }
    await store.commit([{ scope: 's', entries: [put('a', 'one'), put('b', 'two'), put('', 'none')] }])
    await store.commit([{ scope: 's', entries: [['b', null]] }])
    assertSame(
      'read',
      [read('s', 'a'), read('s', 'b'), read('s', ''), read('t', 'a')],
      ['one', undefined, 'none', undefined],
    )
    store.getSync('s', 'a')?.fill(0)
    assertSame('read again', [read('s', 'a')], ['one'])
    await store.commit(AWKWARD.map((scope) => ({ scope, entries: AWKWARD.map((key) => put(key, `${scope}: ${key}`)) })))
    for (const scope of AWKWARD) {
      for (const key of AWKWARD) assertSame(`${show(scope)} ${show(key)}`, [read(scope, key)], [`${scope}: ${key}`])
    }
  },

  async 'a failed commit keeps nothing of itself, and later ones work'(store, nowAndReopened) {
    await store.commit([{ scope: 's', entries: [put('a', 'whole')] }])
    for (const wrong of ['text', 5, undefined, {}, [1, 2], new Float64Array(1)]) {
      const failing = store.commit([
        { scope: 's', entries: [put('a', 'half')], reset: true },
        { scope: 't', entries: [put('b', 'half'), ['wrong', wrong as Uint8Array]] },
      ])
      const later = store.commit([{ scope: 'u', entries: [put('later', `${wrong}`)] }])
      await assertRejects(`a commit with the value ${show(wrong)}`, failing, 'STORE_FAILED')
      await later
      await assertHolds(store, 'u', [put('later', `${wrong}`)])
    }
    await nowAndReopened(async (s) => {
      await assertHolds(s, 's', [put('a', 'whole')])
      await assertHolds(s, 't', [])
    })
  },

  async 'a commit whose entries throw while they are read keeps nothing of itself'(store) {
    await store.commit([{ scope: 's', entries: [put('a', 'whole')] }])
    const entries = [put('a', 'half'), put('b', 'half')]
    Object.defineProperty(entries, 1, {
      get() {
        throw new Error('thrown by the caller')
      },
    })
    await assertRejects('a commit with entries that throw', store.commit([{ scope: 's', entries }]), 'STORE_FAILED')
    await assertHolds(store, 's', [put('a', 'whole')])
  },

  async 'keys and scopes that are not well-formed are refused, not merged'(store) {
    for (const lone of ['\ud800', 'a\udfff', '\udc00\ud800']) {
      const asKey = store.commit([{ scope: 's', entries: [put('a', ''), put(lone, '')] }])
      await assertRejects(`a commit of the key ${show(lone)}`, asKey, 'STORE_FAILED')
      const asScope = store.commit([
        { scope: 's', entries: [put('a', '')] },
        { scope: lone, entries: [put('a', '')] },
      ])
      await assertRejects(`a commit of the scope ${show(lone)}`, asScope, 'STORE_FAILED')
    }
    assertSame('scopes', await store.scopes(), [])
  },

  async 'long keys come back, and stay apart'(store, nowAndReopened) {
    // Without a pattern: nothing may make them shorter.
    let state = 1
    const letter = () => {
      state = (state * 48_271) % 2_147_483_647
      return String.fromCodePoint(33 + (state % 3_000))
    }
    const long = Array.from({ length: 20_000 }, letter).join('')
    const keys = [long, `${long}a`, `${long}b`, long.slice(0, 5_000), long.slice(0, 900)]
    await store.commit([{ scope: 's', entries: [...keys, 'gone', `${long}gone`].map((key) => put(key, 'first')) }])
    await store.commit([{ scope: 's', entries: keys.map((key, n) => put(key, `${n}`)) }])
    await store.commit([{ scope: 's', entries: ['gone', `${long}gone`].map((key) => [key, null]) }])
    await nowAndReopened((s) =>
      assertHolds(
        s,
        's',
        keys.map((key, n) => put(key, `${n}`)),
      ),
    )
  },

  async 'a shared store gives each process what the others have committed'(store, _, withAnother) {
    await withAnother(async (other) => {
      await store.commit([{ scope: 's', entries: [put('a', 'one'), put('b', 'one')] }])
      await assertHolds(other, 's', [put('a', 'one'), put('b', 'one')])
      await other.commit([{ scope: 's', entries: [put('b', 'two')] }])
      await assertHolds(store, 's', [put('a', 'one'), put('b', 'two')])
      assertSame('scopes', await store.scopes(), await other.scopes())
    })
  },

  async 'a claim fences whoever claimed the scope before: the whole commit is refused'(
    store,
    nowAndReopened,
    withAnother,
  ) {
    await withAnother(async (other) => {
      const mine = store as SharedStore
      for (const scope of ['s', 'mine']) await mine.claim(scope)
      await mine.commit([{ scope: 's', entries: [put('a', 'mine')] }])
      await other.claim('s')
      const late = [
        { scope: 'mine', entries: [put('a', 'late')] },
        { scope: 's', entries: [put('a', 'late')], reset: true },
      ]
      await assertRejects('a commit to a scope that another has claimed', mine.commit(late), 'FENCED')
      await assertRejects('clearing a scope that another has claimed', mine.clear('s'), 'FENCED')
      await assertHolds(other, 's', [put('a', 'mine')])
      await assertHolds(other, 'mine', [])
      await other.commit([{ scope: 's', entries: [put('a', 'other')] }])
      await mine.commit([{ scope: 'mine', entries: [put('a', 'mine')] }])
      await mine.claim('s')
      await assertRejects('a commit after the scope was claimed back', other.clear('s'), 'FENCED')
      await mine.commit([{ scope: 's', entries: [put('b', 'mine')] }])
    })
    if (!store.shared) return
    await nowAndReopened(async (s) => {
      await assertHolds(s, 's', [put('a', 'other'), put('b', 'mine')])
      await assertHolds(s, 'mine', [put('a', 'mine')])
    })
  },

  async 'once a claim has resolved, no commit that was under way changes anything'(store, _, withAnother) {
    await withAnother(async (other) => {
      const mine = store as SharedStore
      for (let round = 0; round < 5; round++) {
        await mine.claim('s')
        const entries = Array.from({ length: 300 }, (_, i) => put(`key ${i}`, `${round}`))
        const running = Array.from({ length: 6 }, (_, n) =>
          mine.commit([{ scope: 's', entries: [...entries, put('n', `${n}`)] }]),
        )
        const ended = Promise.allSettled(running)
        await running[round % 3]
        await other.claim('s')
        const found = await loadAll(other, 's')
        for (const outcome of await ended) {
          if (outcome.status === 'fulfilled') continue
          assert(
            (outcome.reason as TidemarkError).code === 'FENCED',
            `a fenced commit must reject with FENCED; got ${outcome.reason}`,
          )
        }
        await assertHolds(other, 's', found)
      }
    })
  },

  async 'what goes along with a commit is called within it, and its error is the end of the commit'(
    store,
    nowAndReopened,
  ) {
    if (store.transactions === undefined) {
      const refused = store.commit([{ scope: 's', entries: [put('a', '')] }], async () => {})
      await assertRejects('a commit that takes something along', refused, 'BAD_OPTION')
      return
    }
    let calls = 0
    await store.commit([{ scope: 's', entries: [put('a', 'whole')] }], async (transaction) => {
      calls++
      assert(transaction !== undefined, 'what goes along must be given the transaction')
      await assertHolds(store, 's', [])
    })
    assertSame('calls', [calls], [1])
    const failing = store.commit([{ scope: 's', entries: [put('a', 'half')] }], async () => {
      throw new TidemarkError('OPERATOR_FAILED', 'thrown by the caller')
    })
    await assertRejects('a commit whose company fails', failing, 'OPERATOR_FAILED')
    await nowAndReopened((s) => assertHolds(s, 's', [put('a', 'whole')]))
  },

  async 'open is refused while it is open'(store) {
    await assertRejects('open while open', store.open(APP), 'STORE_LOCKED')
    await assertRejects('open for another app while open', store.open('another'), 'STORE_LOCKED')
    await store.commit([{ scope: 's', entries: [put('a', '')] }])
    await store.close()
    const first = store.open(APP)
    await assertRejects('open while opening', store.open(APP), 'STORE_LOCKED')
    await first
    await store.scopes()
  },

  async 'a closed store refuses everything but open and close'(store) {
    const refusesAll = async () => {
      await assertRejects('load', loadAll(store, 's'), 'STORE_CLOSED')
      await assertRejects('commit', store.commit([{ scope: 's', entries: [put('a', '')] }]), 'STORE_CLOSED')
      await assertRejects('clear', store.clear('s'), 'STORE_CLOSED')
      await assertRejects('scopes', store.scopes(), 'STORE_CLOSED')
      await assertRejects('getSync', (async () => store.getSync?.('s', 'a') ?? store.scopes())(), 'STORE_CLOSED')
    }
    const closing = store.close()
    await refusesAll()
    await closing
    await refusesAll()
    await store.close()
    await store.open(APP)
    assertSame('scopes', await store.scopes(), [])
  },

  async 'close waits for what runs'(store, nowAndReopened) {
    const entries = Array.from({ length: 10_000 }, (_, i) => put(`key ${i}`, 'value'))
    let committed = 0
    for (let i = 0; i < 5; i++) store.commit([{ scope: `${i}`, entries }]).then(() => committed++)
    await Promise.all([store.close(), store.close()])
    assertSame('commits that had resolved when close did', [committed], [5])
    await store.open(APP)
    await store.commit([{ scope: '0', entries }])
    const loading = loadAll(store, '0')
    await store.close()
    assertEntries('0', await loading, entries)
    await store.open(APP)
    await nowAndReopened(async (s) => {
      if (s.durable) assertSame('scopes', await s.scopes(), ['0', '1', '2', '3', '4'])
    })
  },

  async 'apps never mix, whatever their ids'(store) {
    const ids = AWKWARD.filter((id) => id !== '')
    for (const id of ids) {
      await store.close()
      await store.open(id)
      assertSame(`scopes of the new app ${show(id)}`, await store.scopes(), [])
      await store.commit([{ scope: `scope of ${id}`, entries: [put('a', '')] }])
    }
    if (!store.durable) return
    for (const id of ids) {
      await store.close()
      await store.open(id)
      assertSame(`scopes of the app ${show(id)}`, await store.scopes(), [`scope of ${id}`])
    }
  },

  async 'an app id that is empty or not well-formed is refused'(store) {
    await store.close()
    for (const id of ['', 'a\ud800']) await assertRejects(`open for the app ${show(id)}`, store.open(id), 'BAD_OPTION')
    await store.open(APP)
  },
}

const encoder = new TextEncoder()
// As it is, a byte order mark included.
const decoder = new TextDecoder('utf-8', { ignoreBOM: true })
const bytesOf = (text: string) => encoder.encode(text)
const textOf = (bytes: Uint8Array) => decoder.decode(bytes)
const put = (key: string, text: string): readonly [string, Uint8Array] => [key, bytesOf(text)]

function assert(holds: boolean, message: string): asserts holds {
  if (!holds) throw new Error(message)
}

/** The same members, in any order; what is there twice is there twice. */
function assertSame(what: string, actual: readonly unknown[], expected: readonly unknown[]): void {
  const order = (list: readonly unknown[]) => JSON.stringify(list.map((member) => member ?? null).sort())
  assert(order(actual) === order(expected), `${what}: ${show(actual)}, expected ${show(expected)}`)
}

async function assertHolds(store: StoreAdapter, scope: string, expected: readonly StoreEntry[]): Promise<void> {
  assertEntries(scope, await loadAll(store, scope), expected)
}

function assertEntries(scope: string, loaded: Iterable<StoreEntry>, expected: readonly StoreEntry[]): void {
  const left = new Map(expected)
  for (const [key, value] of loaded) {
    const wanted = left.get(key)
    assert(wanted != null, `scope ${show(scope)} holds the key ${show(key)}, twice or though it should not`)
    assert(
      value !== null && sameBytes(value, wanted),
      `scope ${show(scope)}, key ${show(key)}: other bytes than committed`,
    )
    left.delete(key)
  }
  assert(left.size === 0, `scope ${show(scope)} lacks ${left.size} entries, such as ${show([...left.keys()][0])}`)
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i])
}

async function assertRejects(what: string, promise: Promise<unknown>, code: TidemarkError['code']): Promise<void> {
  let error: unknown
  try {
    await promise
  } catch (thrown) {
    error = thrown
  }
  assert(
    error instanceof TidemarkError && error.code === code,
    `${what} must reject with ${code}; got ${show(`${error}`)}`,
  )
}
