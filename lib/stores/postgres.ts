import pg, { type ClientBase, type Pool } from 'pg'
import type { TransactionalStore } from '../ports/store.js'
import { show, TidemarkError } from '../record/errors.js'
import { assertWellFormed, type ScopeChanges } from './mergeChanges.js'
import { deleteEntries, keyOf, putEntries } from './postgresEntries.js'
import { createTables, type Tables, tablesOf } from './postgresSchema.js'
import { inTransaction, query, runWithin } from './postgresTransaction.js'
import { type OpenStore, storeAdapter } from './storeAdapter.js'

export interface PostgresOptions {
  /** As in `postgres://user:password@host/database`. The store has a few connections of its own then. */
  readonly connectionString?: string | undefined
  /** Or a pool that is the caller's, who ends it. */
  readonly pool?: Pool
  /** Where the store's two tables are, which it makes if they aren't there. Default `tidemark`. */
  readonly schema?: string
}

/** The writes of a commit, a load beside them, and some to spare. */
const MAX_CONNECTIONS = 4
const CONNECT_MS = 10_000

/**
 * Keeps checkpoints in PostgreSQL, in a schema of their own: a commit is one transaction, and takes the user's own rows along (`toRows`).
 *
 * All processes of the app share it. Whoever takes over a task claims its scope, and from then on what the former owner would
 * commit is refused with `FENCED`, its rows included. Transactions run at the isolation level that is the database's default; those that it
 * asks to repeat (deadlocks, serialization failures) are repeated. One in which nothing happens for 10 s is ended by the server, so that a process
 * that stands still keeps nobody waiting.
 *
 * ```ts
 * const db = postgres({ connectionString: process.env.DATABASE_URL })
 * const app = createApp({ id: 'spend', broker: kafka({ brokers: ['localhost:9092'] }), store: db })
 * ```
 *
 * @throws TidemarkError `BAD_OPTION`
 */
export function postgres(options: PostgresOptions): TransactionalStore<ClientBase> {
  const { schema = 'tidemark' } = options
  const connect = connector(options)
  const tables = tablesOf(schema)
  const name = `postgres ${schema}`
  return storeAdapter({
    name,
    durable: true,
    shared: true,
    transactional: true,
    async take(app) {
      const { pool, end } = connect()
      try {
        await createTables(name, pool, schema, tables)
        return openPostgres(name, app, pool, tables, end)
      } catch (error) {
        await end()
        throw error
      }
    },
  }) as TransactionalStore<ClientBase>
}

interface Connected {
  readonly pool: Pool
  end(): Promise<void>
}

function connector({ connectionString, pool }: PostgresOptions): () => Connected {
  if ((connectionString === undefined) === (pool === undefined)) {
    throw new TidemarkError('BAD_OPTION', 'postgres: give either a connectionString or a pool')
  }
  if (pool !== undefined) return () => ({ pool, end: async () => {} })
  const config = {
    connectionString: connectionString as string,
    max: MAX_CONNECTIONS,
    connectionTimeoutMillis: CONNECT_MS,
    keepAlive: true,
    fallback_application_name: 'tidemark',
  }
  try {
    if (typeof connectionString !== 'string' || connectionString === '')
      throw new Error('it must be a string, not empty')
    new pg.Client(config)
  } catch (error) {
    // Neither the string nor the error as a cause: both hold the password.
    throw new TidemarkError('BAD_OPTION', `postgres: the connectionString can't be read: ${(error as Error).message}`)
  }
  return () => {
    const own = new pg.Pool(config)
    // A connection has broken while nobody used it. The pool has let go of it, and makes another when one is needed.
    own.on('error', () => {})
    return { pool: own, end: () => own.end() }
  }
}

function openPostgres(
  name: string,
  app: string,
  pool: Pool,
  { scopes, entries }: Tables,
  end: () => Promise<void>,
): OpenStore {
  const appBytes = Buffer.from(app)
  /** Of the scopes that this adapter has claimed. */
  const epochs = new Map<string, string>()

  /** The ids of scopes, which nobody can claim before the transaction ends. */
  async function hold(client: ClientBase, wanted: readonly string[]): Promise<Map<string, string>> {
    const ids = new Map<string, string>()
    const values = [appBytes, wanted.map((scope) => Buffer.from(scope))]
    const select = `SELECT id, scope, epoch FROM ${scopes} WHERE app = $1 AND scope = ANY($2::bytea[]) ORDER BY id FOR SHARE`
    let { rows } = await client.query(select, values)
    if (rows.length < wanted.length) {
      const insert = `INSERT INTO ${scopes} (app, scope) SELECT $1, unnest($2::bytea[]) ON CONFLICT DO NOTHING`
      await client.query(insert, values)
      rows = (await client.query(select, values)).rows
    }
    for (const row of rows) {
      const scope = row.scope.toString()
      const epoch = epochs.get(scope)
      if (epoch !== undefined && epoch !== row.epoch) throw fenced(name, app, scope)
      ids.set(scope, row.id)
    }
    return ids
  }

  async function apply(
    client: ClientBase,
    changes: ReadonlyMap<string, ScopeChanges>,
    ids: ReadonlyMap<string, string>,
  ) {
    const all = [...changes].map(([scope, change]) => ({ id: ids.get(scope) as string, ...change }))
    const emptied = all.filter(({ reset }) => reset).map(({ id }) => id)
    if (emptied.length > 0) await client.query(`DELETE FROM ${entries} WHERE scope = ANY($1::bigint[])`, [emptied])
    await deleteEntries(client, entries, all)
    await putEntries(client, entries, all)
  }

  return {
    async load(scope, each) {
      assertWellFormed('scope', scope)
      const rows = await query(name, pool, {
        text: `SELECT e.key, e.value, e.long_key FROM ${entries} e JOIN ${scopes} s ON s.id = e.scope WHERE s.app = $1 AND s.scope = $2`,
        values: [appBytes, Buffer.from(scope)],
        rowMode: 'array',
      })
      await each(rows.map(([key, value, longKey]) => [keyOf(key, longKey), value] as const))
    },
    async write(changes, along) {
      if (changes.size === 0 && along === undefined) return
      await inTransaction(name, pool, async (client) => {
        const ids = await hold(client, [...changes.keys()])
        if (along !== undefined) await runWithin(name, client, along)
        await apply(client, changes, ids)
      })
    },
    async claim(scope) {
      assertWellFormed('scope', scope)
      const rows = await query(name, pool, {
        text: `INSERT INTO ${scopes} AS s (app, scope, epoch) VALUES ($1, $2, 1)
               ON CONFLICT (app, scope) DO UPDATE SET epoch = s.epoch + 1 RETURNING epoch`,
        values: [appBytes, Buffer.from(scope)],
      })
      epochs.set(scope, rows[0].epoch)
    },
    async scopes() {
      const rows = await query(name, pool, {
        text: `SELECT scope FROM ${scopes} s WHERE app = $1 AND EXISTS (SELECT 1 FROM ${entries} e WHERE e.scope = s.id)`,
        values: [appBytes],
      })
      return rows.map((row) => row.scope.toString())
    },
    release: end,
  }
}

function fenced(name: string, app: string, scope: string): TidemarkError {
  const message = `${name}: another process has taken over ${show(scope)}; nothing of this commit is kept, and that one goes on from the last`
  return new TidemarkError('FENCED', message, { app })
}
