import type { Key } from '../record/key.js'
import type { StreamRecord, WithValue } from '../record/record.js'
import type { Row } from '../tables/rows.js'
import type { OperatorContext } from '../task/definition.js'

/** What the joins of a stream with a table have in common. */
export interface RowJoin<R> {
  /** Whether a record is joined, by that key; if not, it is counted as dropped. */
  takes(record: R, key: Key | null): boolean
  /** Emits what it gives. */
  join(record: R, key: Key | null): void
}

export function rowJoin<R extends StreamRecord<any, any>, Out>(
  { emit, drop }: OperatorContext<WithValue<R, Out>>,
  isLeft: boolean,
  rowOf: (key: Key, record: R) => Row<unknown> | undefined,
  joiner: (value: any, row: any, record: R) => Out,
): RowJoin<R> {
  return {
    takes(record, key) {
      if (record.value !== null && (key !== null || isLeft)) return true
      drop(record, record.value === null ? 'null value' : 'null key')
      return false
    },
    join(record, key) {
      const row = key === null ? null : (rowOf(key, record)?.value ?? null)
      if (row === null && !isLeft) return
      emit({ ...record, value: joiner(record.value, row, record) } as WithValue<R, Out>)
    },
  }
}
