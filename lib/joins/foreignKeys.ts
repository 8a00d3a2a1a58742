import { type Key, keyText, parseKey } from '../record/key.js'
import type { Change } from '../tables/change.js'
import type { Handlers, OperatorContext } from '../task/definition.js'
import type { Turn } from './foreignKeyMessages.js'

/** The version of each left row, as its node publishes it. */
export type Versions = (key: Key) => number | undefined

/** Keeps the foreign key of each left row, and a version by which answers to an earlier state of the row are told. */
export function foreignKeys<LV>(
  context: OperatorContext<Turn<LV>>,
  foreignKeyOf: (value: LV, key: never) => Key | null | undefined,
  isLeft: boolean,
): Handlers<Change<Key, LV>> {
  const rows = context.cells<Key, readonly [version: number, foreignKey: string | null]>()
  const counter = context.keyed<string, number>('last')
  const versions: Versions = (key) => rows.cell(key)?.value[0]
  context.publish(versions)
  return {
    record(change) {
      const { key, value, timestamp, isLatest } = change
      if (!isLatest) {
        context.drop(change as never, 'out of order')
        return
      }
      context.accept(timestamp)
      const before = rows.get(key)
      const from = typeof before?.[1] === 'string' ? parseKey(before[1]) : null
      const to = value === null ? null : (foreignKeyOf(value, key as never) ?? null)
      // Of all rows together: a row that is deleted and comes back must not have a version again.
      const version = (counter.get('version') ?? 0) + 1
      counter.put('version', version)
      if (value === null) rows.delete(key)
      else rows.put(key, [version, to === null ? null : keyText(to)])
      if (value !== null && to === null && !isLeft) context.drop(change as never, 'null foreign key')
      context.emit({ key, timestamp, value, existed: before !== undefined, from, to, version })
    },
  }
}
