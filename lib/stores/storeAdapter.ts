import type { StoreAdapter, StoreChanges, StoredEntry } from '../ports/store.js'
import { type ErrorPlace, show, TidemarkError } from '../record/errors.js'
import { mergeChanges, type ScopeChanges } from './mergeChanges.js'

/** One opened store: the part that each adapter writes itself. {@link storeAdapter} makes the whole contract of it. */
export interface OpenStore {
  /** Gives all entries of a scope as of now, piece by piece; later writes don't change them. */
  load(scope: string, each: (entries: Iterable<StoredEntry>) => Promise<void>): Promise<void>
  /** Applies all of `changes`, and what `along` writes, or nothing. Never called while another write or claim runs. */
  write(changes: ReadonlyMap<string, ScopeChanges>, along?: (transaction: any) => Promise<void>): Promise<void>
  claim?(scope: string): Promise<void>
  scopes(): Promise<readonly string[]>
  /** Lets go of what `take` took. Called once, when nothing runs any more. */
  release(): Promise<void>
}

/** What tells one adapter from another. */
export interface StoreAdapterParts<S extends OpenStore> {
  readonly name: string
  readonly durable: boolean
  /** Then its stores have `claim`. */
  readonly shared: boolean
  /** Whether writes can take something along. */
  readonly transactional?: boolean
  take(app: string): Promise<S>
  readonly getSync?: (store: S, scope: string, key: string) => Uint8Array | undefined
}

type Along = (transaction: any) => Promise<void>

/**
 * Makes a {@link StoreAdapter}: owns what is the same in each of them, so that each says only where its bytes go.
 * That is opening and closing, the order of commits, copying what callers may go on to change, and errors.
 *
 * Changes are copied when `commit` is called and written in the order of the calls, one after the other; reads don't
 * wait for writes. `clear` is a commit of an empty reset. `close` refuses what comes after it and waits for the rest.
 */
export function storeAdapter<S extends OpenStore>(parts: StoreAdapterParts<S>): StoreAdapter {
  const { name, durable, shared, transactional = false, take, getSync } = parts
  let state: 'closed' | 'opening' | 'open' | 'closing' = 'closed'
  let place: ErrorPlace = {}
  let store: S
  let closing: Promise<void> = Promise.resolve()
  let lastWrite: Promise<void> = Promise.resolve()
  const reads = new Set<Promise<unknown>>()

  function assertOpen(action: string): void {
    if (state === 'open') return
    throw new TidemarkError('STORE_CLOSED', `${name}: ${action} needs an open store, and this one is ${state}`, place)
  }

  function failure(action: string, cause: unknown, advice = ''): TidemarkError {
    if (cause instanceof TidemarkError) return cause
    const reason = (cause as Error | undefined)?.message ?? show(cause)
    return new TidemarkError('STORE_FAILED', `${name}: ${action} failed: ${reason}${advice}`, place, { cause })
  }

  async function read<T>(action: string, run: () => Promise<T>): Promise<T> {
    assertOpen(action)
    const reading = run()
    reads.add(reading)
    try {
      return await reading
    } catch (cause) {
      throw failure(action, cause)
    } finally {
      reads.delete(reading)
    }
  }

  async function load(scope: string, each: (entries: Iterable<StoredEntry>) => void | Promise<void>): Promise<void> {
    let thrown: { readonly error: unknown } | undefined
    const loading = read('load', () =>
      store.load(scope, async (entries) => {
        try {
          await each(entries)
        } catch (error) {
          thrown = { error }
          throw error
        }
      }),
    )
    try {
      await loading
    } catch (error) {
      // The caller's own error is no failure of the store.
      throw thrown === undefined ? error : thrown.error
    }
  }

  /** One after the other, in the order of the calls. */
  function inTurn(run: () => Promise<void>): Promise<void> {
    const running = lastWrite.then(run)
    lastWrite = running.catch(() => {})
    return running
  }

  async function write(action: string, changes: readonly StoreChanges[], along?: Along): Promise<void> {
    assertOpen(action)
    if (along !== undefined && !transactional) {
      throw new TidemarkError('BAD_OPTION', `${name}: ${action} takes nothing along: it has no transactions`, place)
    }
    try {
      const merged = mergeChanges(changes)
      await inTurn(() => store.write(merged, along))
    } catch (cause) {
      throw failure(action, cause, '; the state before it is whole, and a later write may succeed')
    }
  }

  async function claim(scope: string): Promise<void> {
    assertOpen('claim')
    try {
      await inTurn(() => (store.claim as (scope: string) => Promise<void>)(scope))
    } catch (cause) {
      throw failure('claim', cause)
    }
  }

  async function release(): Promise<void> {
    await Promise.allSettled([lastWrite, ...reads])
    try {
      await store.release()
    } catch (cause) {
      throw failure('close', cause)
    } finally {
      state = 'closed'
    }
  }

  return {
    name,
    durable,
    shared,
    async open(app) {
      if (typeof app !== 'string' || app === '' || !app.isWellFormed()) {
        throw new TidemarkError('BAD_OPTION', `${name}: an app id is a well-formed string, not empty; got ${show(app)}`)
      }
      if (state !== 'closed') {
        throw new TidemarkError('STORE_LOCKED', `${name}: this adapter is ${state} already; close it before`, place)
      }
      state = 'opening'
      place = { app }
      try {
        store = await take(app)
        state = 'open'
      } catch (cause) {
        state = 'closed'
        throw failure('open', cause)
      }
    },
    load,
    ...(transactional && { transactions: {} }),
    ...(shared && { claim }),
    commit: (changes, along) => write('commit', changes, along),
    clear: (scope) => write('clear', [{ scope, entries: [], reset: true }]),
    scopes: () => read('scopes', () => store.scopes()),
    ...(getSync && {
      getSync(scope: string, key: string) {
        assertOpen('getSync')
        try {
          return getSync(store, scope, key)
        } catch (cause) {
          throw failure('getSync', cause)
        }
      },
    }),
    close() {
      if (state === 'open') {
        state = 'closing'
        closing = release()
      }
      return closing
    },
  }
}
