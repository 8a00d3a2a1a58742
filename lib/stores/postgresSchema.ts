import type { Pool } from 'pg'
import { show, TidemarkError } from '../record/errors.js'
import { inTransaction, query } from './postgresTransaction.js'

/** The names of the tables, quoted. */
export interface Tables {
  readonly scopes: string
  readonly entries: string
}

/** PostgreSQL cuts longer names off: two of them could become one. */
const MAX_NAME_BYTES = 63

/** @throws TidemarkError `BAD_OPTION` */
export function tablesOf(schema: string): Tables {
  const isName = typeof schema === 'string' && schema !== '' && schema.isWellFormed() && !schema.includes('\u0000')
  if (!isName || Buffer.byteLength(schema) > MAX_NAME_BYTES) {
    const message = `postgres: the schema must be a name of 1 to ${MAX_NAME_BYTES} bytes; got ${show(schema)}`
    throw new TidemarkError('BAD_OPTION', message)
  }
  return { scopes: `${quoted(schema)}.scopes`, entries: `${quoted(schema)}.entries` }
}

const quoted = (name: string) => `"${name.replaceAll('"', '""')}"`

/** Any number, the same for all: one process at a time makes tables. */
const LOCK = 7_264_137_001

/**
 * Makes the tables, if they aren't there. Names and keys are bytes, as text can't hold NUL. A scope's `epoch` rises with each claim. A key that is too long
 * for an index has a stand-in in `key`, and itself in `long_key`.
 */
export async function createTables(
  name: string,
  pool: Pool,
  schema: string,
  { scopes, entries }: Tables,
): Promise<void> {
  // Who may not make tables may use those that somebody has made.
  const text = 'SELECT to_regclass($1) AS scopes, to_regclass($2) AS entries'
  const [found] = await query(name, pool, { text, values: [scopes, entries] })
  if (found.scopes !== null && found.entries !== null) return
  await inTransaction(name, pool, async (client) => {
    await client.query(`SELECT pg_advisory_xact_lock(${LOCK})`)
    await client.query(`
      CREATE SCHEMA IF NOT EXISTS ${quoted(schema)};
      CREATE TABLE IF NOT EXISTS ${scopes} (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        app bytea NOT NULL,
        scope bytea NOT NULL,
        epoch bigint NOT NULL DEFAULT 0,
        UNIQUE (app, scope)
      );
      CREATE TABLE IF NOT EXISTS ${entries} (
        scope bigint NOT NULL,
        key bytea NOT NULL,
        value bytea NOT NULL,
        long_key bytea,
        PRIMARY KEY (scope, key)
      )`)
  })
}
