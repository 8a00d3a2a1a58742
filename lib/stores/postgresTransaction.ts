import type { ClientBase, Pool, QueryConfig } from 'pg'
import { TidemarkError } from '../record/errors.js'

/** A client that stands still in a transaction keeps its locks no longer than this. */
const IDLE_MS = 10_000
const MAX_ATTEMPTS = 10
/** Serialization failure, deadlock: the database asks to try again. */
const REPEATABLE = ['40001', '40P01']

/**
 * Runs `run` in a transaction: all that it does is kept once this resolves, and nothing of it if it rejects, unless the error says
 * otherwise. Where the database asks for it, `run` is called again in a new transaction.
 */
export async function inTransaction(
  name: string,
  pool: Pool,
  run: (client: ClientBase) => Promise<void>,
): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await once(name, pool, run)
      return
    } catch (error) {
      if (attempt === MAX_ATTEMPTS || !asksToRepeat(error)) throw error
      // Those that were in each other's way shall not meet again.
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 10 * attempt))
    }
  }
}

/**
 * Runs what isn't ours within a transaction.
 *
 * @throws TidemarkError `STORE_FAILED` if it has ended the transaction
 */
export async function runWithin(
  name: string,
  client: ClientBase,
  run: (client: ClientBase) => Promise<void>,
): Promise<void> {
  const before = await transactionOf(client)
  await run(client)
  if ((await transactionOf(client)) === before) return
  const message = `${name}: COMMIT or ROLLBACK was called in a transaction that isn't the caller's to end; rows may have been kept that will be written again`
  throw new TidemarkError('STORE_FAILED', message)
}

async function transactionOf(client: ClientBase): Promise<string> {
  return (await client.query('SELECT txid_current() AS id')).rows[0].id
}

async function once(name: string, pool: Pool, run: (client: ClientBase) => Promise<void>): Promise<void> {
  const client = await pool.connect().catch((error) => {
    throw isGone(error) ? unavailable(name, error) : error
  })
  // A connection that breaks between two queries tells it by an event, and ends the process if nobody listens. The next query fails by it.
  const ignore = () => {}
  client.on('error', ignore)
  let isUsable = true
  try {
    await client.query(`BEGIN; SET LOCAL idle_in_transaction_session_timeout = ${IDLE_MS}`)
    await run(client)
    await commit(name, client)
  } catch (error) {
    await client.query('ROLLBACK').catch(() => {
      isUsable = false
    })
    // Whoever heard of it first, a function of the user's perhaps: it is the store's connection that broke.
    if (isUsable || (error instanceof TidemarkError && error.code === 'STORE_UNAVAILABLE')) throw error
    throw unavailable(name, error, '; the connection broke in a transaction, of which nothing is kept')
  } finally {
    client.off('error', ignore)
    client.release(!isUsable)
  }
}

async function commit(name: string, client: ClientBase): Promise<void> {
  try {
    await client.query('COMMIT')
  } catch (cause) {
    if (!isGone(cause)) throw cause
    throw unavailable(name, cause, '; the connection broke at COMMIT: all of it is kept, or nothing')
  }
}

/** Runs one statement, which is a transaction of its own. */
export async function query(name: string, pool: Pool, statement: QueryConfig & { rowMode?: 'array' }): Promise<any[]> {
  try {
    return (await pool.query(statement)).rows
  } catch (error) {
    throw isGone(error) ? unavailable(name, error) : error
  }
}

/** Whether there is no answer, or one that says there is none to come. */
function isGone(error: unknown): boolean {
  return !isAnswer(error) || /^(08|57P|53300)/.test(error.code)
}

function unavailable(name: string, cause: unknown, outcome = ''): TidemarkError {
  // An AggregateError, as a refused connection gives it, has a code but no message.
  const { message, code } = cause as Error & { code?: string }
  return new TidemarkError('STORE_UNAVAILABLE', `${name}: ${message || code}${outcome}`, {}, { cause })
}

/** Whether the database has said it. Not instanceof: a caller's pool may be of another copy of pg. */
function isAnswer(error: unknown): error is { readonly code: string } {
  const { code, severity } = (error ?? {}) as { code?: unknown; severity?: unknown }
  return typeof code === 'string' && typeof severity === 'string'
}

/** What is thrown because of a database's answer may have it as its cause. */
function asksToRepeat(error: unknown): boolean {
  let at = error
  while (at instanceof Error && !isAnswer(at)) at = at.cause
  return isAnswer(at) && REPEATABLE.includes(at.code)
}
