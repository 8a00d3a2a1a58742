import type { MonoTypeOperatorFunction } from 'rxjs'
import type { TransactionalStore } from '../ports/store.js'
import { show, TidemarkError } from '../record/errors.js'
import type { StreamRecord } from '../record/record.js'
import { operate } from '../task/operate.js'

/**
 * Writes records to the database that holds the app's state, and passes them on: rows, state and offsets are kept in one transaction, or none of them.
 *
 * ```
 * in    a--b--c--|--d--|
 * rows           abc   d
 * out   a--b--c-----d---
 * ```
 *
 * `write` is called with each checkpoint (a bar above) that has records for it, once for each task, with the records since the last one in
 * their order. What it writes in the transaction is kept if and only if the checkpoint is, so each record of the input has its effect exactly
 * once, after any crash. It neither commits nor rolls back, and doesn't use the transaction after its promise has settled. It may be called again for the same records,
 * with a new transaction: where the database asks to repeat (deadlock, serialization failure), and after a crash. If it throws, nothing of the checkpoint is kept and the app fails.
 *
 * Up to 20,000 records wait; then a checkpoint is taken early, and input waits for it.
 *
 * ```ts
 * const db = postgres({ connectionString: process.env.DATABASE_URL })
 * const ledger = orders.pipe(
 *   toRows(db, async (tx, records) => {
 *     const columns = [records.map((order) => order.key), records.map((order) => order.value.amount)]
 *     await tx.query('INSERT INTO ledger (customer, amount) SELECT * FROM unnest($1::text[], $2::int[])', columns)
 *   }),
 * )
 * ```
 *
 * @param store the one that is passed to `createApp`
 * @throws TidemarkError `BAD_OPTION` if the store has no transactions, at planning if the app has another; `OPERATOR_FAILED` if `write` throws;
 *   `NOT_PLANNED` outside an app; at planning `LOST_WINDOW`
 */
export function toRows<R extends StreamRecord<any, any>, Tx>(
  store: TransactionalStore<Tx>,
  write: (transaction: Tx, records: readonly R[]) => Promise<void>,
): MonoTypeOperatorFunction<R> {
  const transactions: object | undefined = store?.transactions
  if (transactions === undefined) {
    throw new TidemarkError(
      'BAD_OPTION',
      `toRows: the store must be one with transactions, as postgres() is; got ${store?.name ?? show(store)}`,
    )
  }
  if (typeof write !== 'function') {
    throw new TidemarkError('BAD_OPTION', `toRows: write must be a function; got ${show(write)}`)
  }
  return operate<R, R>(
    'toRows',
    (context) => ({
      record(record) {
        context.writeRow(record)
        context.emit(record)
      },
    }),
    {
      role: {
        is: 'rows',
        store: store.name,
        transactions,
        write: (transaction, records) => write(transaction, records as readonly R[]),
      },
      windowing: 'refuses',
    },
  )
}
