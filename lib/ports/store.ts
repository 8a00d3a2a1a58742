/** One entry of a scope: null deletes. */
export type StoreEntry = readonly [key: string, value: Uint8Array | null]

/** An entry as it is stored. */
export type StoredEntry = readonly [key: string, value: Uint8Array]

/** What a commit changes in one scope. `reset` forgets all that the scope held before. */
export interface StoreChanges {
  readonly scope: string
  readonly entries: readonly StoreEntry[]
  readonly reset?: boolean
}

/**
 * Where checkpoints are kept: entries (string key, bytes) in named scopes. A scope is one task's state, or one
 * embedded topic; nothing in it has a meaning to the adapter. Each app id has its own data.
 *
 * The contract, which `storeConformance` in `tidemark/testing` runs:
 * - `commit` is atomic over all its scopes: after a crash at any point, `load` gives all of it or nothing of it.
 * - Once its promise resolves, the commit survives the end of the process (durable adapters). Commits are applied in
 *   the order of the calls, even if a caller doesn't wait. A later entry for a key in one commit wins; `reset` forgets what came
 *   before it, in the same commit too.
 * - Arguments are taken as they are at the call: the caller may change them at once.
 * - `load` gives each entry once, in the order that suits it, in as many pieces as suit it, as all of them were at one time: every commit that had
 *   resolved before the call is in it. What it gave doesn't change later. It waits for the promise that taking a piece may give, and rejects with what that throws.
 * - A failed commit rejects with `STORE_FAILED` (for want of room, where the store can tell, `STORE_FULL`), leaves the last whole state, and later commits work. Keys and scopes that
 *   aren't well-formed strings are refused so. Where a server can't be reached it rejects with `STORE_UNAVAILABLE`: what it would change is
 *   there as a whole, or not at all.
 * - A shared store has `claim`: once it resolves, no commit of another adapter that claimed the scope before changes
 *   anything in it, those under way included; such a commit rejects with `FENCED` as a whole. Who never claimed isn't fenced.
 * - A store with `transactions` calls `along` within the commit: what that writes in the transaction is kept if and only if the commit is.
 *   If it rejects, so does the commit. A store without refuses `along` with `BAD_OPTION`.
 */
export interface StoreAdapter {
  /** For messages: `memory`, `level ./state`. */
  readonly name: string
  /** Whether what it holds outlives the process: then stateful operators must be named. */
  readonly durable: boolean
  /**
   * Whether every process of the app finds the same data in it: then a task goes on from its checkpoint wherever it moves. If not, each
   * process has data of its own.
   */
  readonly shared: boolean
  /** There if commits take along what the user writes in the store's own database: an object that stands for this store behind any wrapper. */
  readonly transactions?: object
  /**
   * Takes the store for one app, before anything else.
   *
   * @throws TidemarkError `STORE_LOCKED` if this adapter is open already or another process or tab has it, `BAD_OPTION` for an
   *   empty or ill-formed id
   */
  open(app: string): Promise<void>
  /** Gives all entries of a scope, piece by piece; none if it was never written. Resolves when `each` has had all of them. */
  load(scope: string, each: (entries: Iterable<StoredEntry>) => void | Promise<void>): Promise<void>
  /** Takes a scope from whoever has claimed it before; only of a shared store. */
  claim?(scope: string): Promise<void>
  /** `along` may be called again, if the database asks to repeat the transaction. */
  commit(changes: readonly StoreChanges[], along?: (transaction: any) => Promise<void>): Promise<void>
  /** Forgets a scope. */
  clear(scope: string): Promise<void>
  /** The names of all scopes that hold something. */
  scopes(): Promise<readonly string[]>
  /** Reads one entry synchronously, for state larger than memory; adapters that can't do it leave it out. */
  getSync?(scope: string, key: string): Uint8Array | undefined
  /** Waits for running commits, then lets go; `open` may follow. */
  close(): Promise<void>
}

/** A store in the user's own database. `Tx`: what their writes go through. */
export interface TransactionalStore<Tx> extends StoreAdapter {
  readonly transactions: object
  commit(changes: readonly StoreChanges[], along?: (transaction: Tx) => Promise<void>): Promise<void>
}
