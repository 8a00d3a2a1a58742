import type { Window } from '../index.js'
import { show } from '../record/errors.js'

/** What a test says about a record: the fields that it leaves out may be anything. */
export interface ExpectedRecord {
  readonly key?: unknown
  readonly value?: unknown
  readonly timestamp?: number
  readonly window?: Window
  readonly final?: boolean
  /** Of a table's change. */
  readonly previous?: unknown
  readonly isLatest?: boolean
  readonly partition?: number
  readonly topic?: string
}

/** Whether what came is what was expected, in the fields that were given. */
export function meets(came: unknown, expected: object): boolean {
  return Object.entries(expected).every(([field, value]) => isEqual((came as Record<string, unknown>)?.[field], value))
}

/** Equal as plain data: by value, with undefined members as if they weren't there. */
export function isEqual(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  if (Array.isArray(a) !== Array.isArray(b)) return false
  const names = new Set([...Object.keys(a), ...Object.keys(b)])
  return [...names].every((name) => isEqual((a as Record<string, unknown>)[name], (b as Record<string, unknown>)[name]))
}

/** A record in one line: `alice: 5 @12 [0, 60000) final`, by the fields that are there. */
export function recordText(record: object): string {
  const { key, value, timestamp, window, final, previous, isLatest, partition, topic } = record as ExpectedRecord
  const parts = [...('key' in record ? [`${typeof key === 'string' ? key : show(key)}:`] : []), show(value)]
  if (previous !== undefined) parts.push(`was ${show(previous)}`)
  if (isLatest === false) parts.push('not the latest')
  if (timestamp !== undefined) parts.push(`@${timestamp}`)
  if (window !== undefined) parts.push(`[${window.start}, ${window.end})`)
  if (final === true) parts.push('final')
  if (topic !== undefined && topic !== '') parts.push(`in ${topic}`)
  if (partition !== undefined) parts.push(`p${partition}`)
  return parts.join(' ')
}

/** The fields of `record` that `like` has: what is compared, for showing it. */
export function fieldsLike(record: unknown, like: object | undefined): object {
  if (typeof record !== 'object' || record === null) return { value: record }
  const fields =
    like === undefined ? ['key', 'value', 'previous', 'timestamp', 'window'] : ['key', 'value', ...Object.keys(like)]
  return Object.fromEntries(
    fields.filter((field) => field in record).map((field) => [field, (record as Record<string, unknown>)[field]]),
  )
}

/** Two lists side by side, with a mark at each line that differs. */
export function sideBySide(expected: readonly string[], came: readonly string[]): string {
  const width = Math.max('expected'.length, ...expected.map((line) => line.length))
  const lines = [`    ${'expected'.padEnd(width)}   came`]
  for (let i = 0; i < Math.max(expected.length, came.length); i++) {
    const a = expected[i]
    const b = came[i]
    lines.push(`  ${a === b ? ' ' : '≠'} ${(a ?? '').padEnd(width)}   ${b ?? ''}`.trimEnd())
  }
  return lines.join('\n')
}
