import { type Duration, durationMs } from '../record/duration.js'
import { TidemarkError } from '../record/errors.js'
import type { Key } from '../record/key.js'
import type { Window } from '../record/record.js'
import { wholeNumber } from '../record/wholeNumber.js'
import { definitionOf } from '../task/current.js'
import type { AnyRecord, Definition, Needs, OperatorContext } from '../task/definition.js'
import { define } from '../task/operate.js'
import { describeWindowing } from '../task/windowing.js'
import type { Change } from './change.js'
import type { Rows } from './rows.js'
import { type Release, SuppressedChanges } from './suppressedChanges.js'
import { makeTable, rowsDefinition, type Table, type TableOperator } from './table.js'

export type SuppressOptions = {
  /** Names the state. A must where the app's store is durable. */
  readonly name?: string
  /** How many rows may be kept back at a time. Default: any number. */
  readonly maxRecords?: number
} & (
  | {
      /** A window's row comes out once, when the window has closed. */
      readonly until: 'close'
      readonly whenFull?: 'fail'
    }
  | {
      /** A row comes out so long, in event time, after the timestamp of the first change that was kept back. */
      readonly until: Duration
      /** What happens beyond `maxRecords`. `emit`: the first come out early. `fail`: the app ends. Default `emit`. */
      readonly whenFull?: 'emit' | 'fail'
    }
)

/**
 * Keeps a table's changes back and lets only the last of each row through: when its window has closed, or after a time.
 *
 * ```
 * suppress({ until: '5ms' })     a column is 1 ms
 * table  a-b--c------d--|        a: ann 1   b: ann 2           c: bob 5           d: ann 3
 * out    -----x------y--(z|)     x: ann 2   y: bob 5, was none   z: ann 3, was 2
 * ```
 *
 * Its time is the highest timestamp of the changes that reach it; behind a watermark, what that promises of them. What is due comes out right after the
 * change that brought the time, stamped as the last change of its row was.
 *
 * - `until: 'close'`: a row at `end + grace <= time`, by end, then key; of a session at `last + gap + grace <= time`, of a sliding window at `t + grace <= time`,
 *   t being its last moment. So it is in Kafka Streams, which closes these a ms later: at just that time one may come out twice. Deletes are swallowed.
 * Of tables joined with different graces, the longest counts. What comes out is `final`; without a watermark only if it is of one aggregate of one stream. Of a
 *   cogroup or join whose inputs aren't equally far, one that is behind may still change a window that has closed here, which then comes out again.
 * - a duration: a row at `first + until <= time`, by that time, then key, then window; deletes come out too. Later changes don't put it off.
 *
 * Beyond `maxRecords` the first in that order come out early, or with `whenFull: 'fail'` the app ends; rows until the close can't be early. On completion all come out. What was before is what the last
 * change that came out said. A late record of a versioned table that isn't its key's latest is dropped.
 *
 * Keeps the last change of each row that waits, until it comes out. The rows are the table's, as they were before what waits: those of windows
 * are gone once they are closed, unless the aggregate has a `retention`. `aggregate` with `emit: 'close'` or `{ every }` does the same without a second state.
 * Kafka Streams' `KTable.suppress`.
 *
 * @throws TidemarkError `BUFFER_FULL`; `BAD_DURATION`; `BAD_OPTION`, at planning for `until: 'close'` where the rows have no windows, or such as time
 *   doesn't close
 */
export function suppress<K extends Key, V, W extends Window | undefined>(
  options: SuppressOptions,
): TableOperator<Table<K, V, W>, Table<K, V, W>> {
  const { name, until, whenFull = until === 'close' ? 'fail' : 'emit' } = options
  const limitMs = until === 'close' ? undefined : durationMs(until, 'suppress: until')
  const maxRecords =
    options.maxRecords === undefined
      ? Number.POSITIVE_INFINITY
      : wholeNumber(options.maxRecords, 'suppress: maxRecords', 1)
  if (until === 'close' && (whenFull as string) === 'emit') {
    throw new TidemarkError(
      'BAD_OPTION',
      "suppress: whenFull 'emit' lets rows out early, and until: 'close' lets none out before the close; give a time, or whenFull 'fail'",
    )
  }
  return (table) => {
    const changes = define<Change<K, V, W>, Change<K, V, W>>(
      'suppress',
      [table.changes()],
      (context) => {
        const release = limitMs === undefined ? releaseAtClose(context) : releaseAfter(limitMs)
        const waiting = new SuppressedChanges<V>(
          context as OperatorContext<Change<Key, V, Window | undefined>>,
          release,
        )
        // There are rows, as it asks for what was before.
        context.publish(waiting.over(context.published<Rows<V>>(rowsDefinition(table))))
        context.fires(waiting)
        return {
          record(change) {
            if (!change.isLatest) {
              context.drop(change as unknown as AnyRecord, 'out of order')
              return
            }
            context.accept(change.timestamp)
            waiting.put(change)
            if (waiting.size <= maxRecords) return
            context.fireDue()
            while (waiting.size > maxRecords) {
              if (whenFull === 'fail') throw bufferFull(maxRecords)
              waiting.fireNext()
            }
            context.dueChanged()
          },
          holds: (time) => Math.min(time, waiting.earliest()),
        }
      },
      {
        ...(name !== undefined && { name }),
        role: { is: 'table' },
        usesTime: true,
        needs: (_, own): Needs => ({ rows: own.rows, previous: true }),
      },
    )
    return makeTable(name, definitionOf(changes) as Definition, changes)
  }
}

const releaseAfter = (limitMs: number): Release => ({ isAtClose: false, afterMs: limitMs, finalAfterMs: limitMs })

function releaseAtClose({ resolved, isOneAggregates, hasWatermark, operator }: OperatorContext<unknown>): Release {
  if (resolved === undefined || resolved.closesAfterMs === Number.POSITIVE_INFINITY) {
    throw new TidemarkError(
      'BAD_OPTION',
      `suppress: until 'close' needs rows of windows that time closes; ${
        resolved === undefined ? 'these have none' : `these are of ${describeWindowing(resolved)}`
      }. Give a time, or suppress right after a windowed aggregate`,
      { operator },
    )
  }
  const { closesAfterMs, reachMs, hasLastMoment } = resolved
  // A watermark behind the aggregate is as far behind its own as a result of an open window can be.
  if (hasWatermark) return { isAtClose: true, afterMs: closesAfterMs - reachMs, finalAfterMs: closesAfterMs - reachMs }
  const finalAfterMs = isOneAggregates ? closesAfterMs : Number.POSITIVE_INFINITY
  return { isAtClose: true, afterMs: closesAfterMs - (hasLastMoment ? 1 : 0), finalAfterMs }
}

const bufferFull = (maxRecords: number) =>
  new TidemarkError(
    'BUFFER_FULL',
    `suppress: more than ${maxRecords} rows (maxRecords) wait to come out; give room for more, or let them out early with whenFull 'emit'`,
  )
