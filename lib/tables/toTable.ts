import type { Observable } from 'rxjs'
import { type Duration, durationMs } from '../record/duration.js'
import type { Key } from '../record/key.js'
import type { StreamRecord, Window, WindowedRecord } from '../record/record.js'
import { definitionOf } from '../task/current.js'
import type { Definition, Handlers, OperatorContext } from '../task/definition.js'
import { define } from '../task/operate.js'
import { type VersionOptions, versionOf } from '../task/stateVersion.js'
import type { Change } from './change.js'
import { ExpiringRows } from './expiringRows.js'
import { KeptRows } from './keptRows.js'
import { rowKey, splitRowKey } from './rows.js'
import { makeTable, NO_ROWS, type Table } from './table.js'
import { VersionedRows } from './versionedRows.js'

/** Streams whose operator already keeps the rows (aggregates), with their changes. */
const kept = new WeakMap<object, Observable<Change<never, unknown, any>>>()

export const keepsRows = (stream: object, changes: Observable<Change<never, unknown, any>>): void => {
  kept.set(stream, changes)
}

/** How long a table knows what its rows were, and how long it keeps them. */
export interface HistoryOptions {
  /**
   * Makes the table a versioned one: it knows what a row was at any time (event time) not longer ago than this, and tells a late record from
   * a new one. Default: only the present rows are known.
   */
  readonly history?: Duration
  /** A row that isn't updated for this long in event time is deleted. Default: it stays. */
  readonly ttl?: Duration
}

/** The same in ms. */
interface History {
  readonly historyMs: number | undefined
  readonly ttlMs: number | undefined
}

/** @throws TidemarkError `BAD_DURATION` */
export const historyOf = ({ history, ttl }: HistoryOptions, operator: string): History => ({
  historyMs: history === undefined ? undefined : durationMs(history, `${operator}: history`),
  ttlMs: ttl === undefined ? undefined : durationMs(ttl, `${operator}: ttl`, 1),
})

/** The windows of a table over a stream: an aggregate's in windows has them. */
export type WindowOf<R> = R extends { readonly window: Window } ? Window : undefined

/**
 * Turns a stream into a table: each record is an upsert of its key, a null value a delete.
 *
 * ```
 * stream   a--b--c--d--|     a: ann 1   b: bob 5   c: ann 2          d: ann null
 * changes  p--q--r--s--|     p: ann 1   q: bob 5   r: ann 2, was 1   s: ann null, was 2
 *
 * toTable('t', stream, { history: '20ms' })     a and b without their timestamps
 * stream   a@9--c@3--b@40--c@19--|
 * changes  p----l----q-----------|     l: ann 2, was and stays 1; the last c is older than history
 *
 * toTable('t', stream, { ttl: '5ms' })     a column is 1 ms
 * stream   a--c------b----|
 * changes  p--r------(eq)-(f|)     e: ann null @8, was 2   f: bob null @15, was 5
 * ```
 *
 * Timestamps aren't looked at: a late record overwrites a newer one, as in Kafka Streams. Over windowed results a row is a key's in one
 * window, and stays unless it is deleted or a `ttl` ends it. Keeps the last value of each key under `name`; over an aggregate it keeps nothing of its own, as the aggregate's state is the
 * table. Without a name (undefined) it keeps rows only if what follows needs them. Null keys are dropped. Completes with the stream.
 *
 * With `history` the table is versioned: a record at t is what the row was from t to the next one's timestamp. One that comes late is stored in its place and passes on
 * with `isLatest: false`; the present row, which stays, is its `previous`. With `bound = highest timestamp of the table - history`, a record with `t < bound` is dropped as late,
 * and `getAsOf` and joins know a row at `bound` and later, and what it is now. Versions that no such look-up can find are freed. Kafka Streams' versioned stores.
 *
 * With `ttl` a row with timestamp t is deleted once time is `t + ttl`, with a change of that timestamp: before the record that brings the time is handled, and all rows on
 * completion. A record with `t + ttl <= time` is dropped as late. Time is the watermark, or the highest timestamp of the table's records. What is deleted is freed.
 *
 * @throws TidemarkError `BAD_DURATION`; at planning `LOST_WINDOW` after a window that no aggregate has resolved, `UNNAMED_STATE`
 */
export function toTable<R extends StreamRecord<any, any>>(
  name: string | undefined,
  stream: Observable<R>,
  options: HistoryOptions & VersionOptions = {},
): Table<Extract<R['key'], Key>, NonNullable<R['value']>, WindowOf<R>> {
  const history = historyOf(options, `toTable ${name ?? ''}`)
  const changes = kept.get(stream)
  if (changes !== undefined && history.historyMs === undefined && history.ttlMs === undefined)
    return makeTable(name, definitionOf(stream) as Definition, changes as never)
  return tableOf(name, name !== undefined, stream as Observable<never>, history, options) as never
}

/** The node that makes a table of a stream. */
export function tableOf<K extends Key, V, W extends Window | undefined = undefined>(
  name: string | undefined,
  isNamed: boolean,
  stream: Observable<StreamRecord<K | null, V | null>>,
  history: History = { historyMs: undefined, ttlMs: undefined },
  version: VersionOptions = {},
): Table<K, V, W> {
  const changes = define<StreamRecord<K | null, V | null>, Change<K, V, W>>(
    'table',
    [stream],
    (context) => upsert(context, isNamed, history),
    {
      ...(name !== undefined && { name }),
      ...versionOf('table', version),
      role: { is: 'table' },
      windowing: 'refuses',
      usesTime: true,
    },
  )
  return makeTable(name, definitionOf(changes) as Definition, changes)
}

function upsert<K extends Key, V, W extends Window | undefined>(
  context: OperatorContext<Change<K, V, W>>,
  isNamed: boolean,
  { historyMs, ttlMs }: History,
): Handlers<StreamRecord<K | null, V | null>> {
  const { needs } = context
  const versions =
    historyMs === undefined ? undefined : new VersionedRows<V>(context.series(), historyMs, context.streamTime)
  // Rows that are only looked up don't tell what was before: that depends on who asks for it, not on who joins.
  const knowsPrevious = isNamed || needs.previous || ttlMs !== undefined
  const rows = versions === undefined && (knowsPrevious || needs.rows) ? new KeptRows<V>(context.cells()) : undefined
  context.publish(versions ?? rows ?? NO_ROWS)
  const expiring = ttlMs === undefined ? undefined : new ExpiringRows(versions ?? (rows as KeptRows<V>), ttlMs, expire)
  if (expiring !== undefined) context.fires(expiring)

  function expire(row: Key, due: number): void {
    const { key, window } = splitRowKey(row)
    const previous = (versions ?? (rows as KeptRows<V>)).get(row)?.value ?? null
    if (versions !== undefined) versions.end(row, due)
    else rows?.put(key, window, null, due)
    context.emit({ key: key as K, value: null, previous, timestamp: due, window: window as W, isLatest: true })
  }

  return {
    record(record) {
      const { key, value, timestamp } = record
      if (key === null) {
        context.drop(record, 'null key')
        return
      }
      const time = context.accept(timestamp)
      if (ttlMs !== undefined) {
        if (timestamp + ttlMs <= time) {
          context.drop(record, 'late')
          return
        }
        context.fireDue()
      }
      const { window } = record as Partial<WindowedRecord>
      let previous: V | null | undefined
      let isLatest = true
      if (versions !== undefined) {
        const put = versions.put(key, window, value, timestamp)
        if (put === undefined) {
          context.drop(record, 'late')
          return
        }
        previous = put.previous
        isLatest = put.isLatest
      } else if (rows !== undefined) {
        if (knowsPrevious) previous = rows.put(key, window, value, timestamp)
        else rows.set(key, window, value, timestamp)
      }
      if (expiring !== undefined) {
        expiring.add(rowKey(key, window), timestamp)
        context.dueChanged()
      }
      context.emit({ key, value, previous, timestamp, window: window as W, isLatest })
    },
  }
}
