import { show } from '../record/errors.js'
import { timeText } from './axis.js'
import type { Bracket, Marble, Shape } from './lane.js'

const TEXTS: { readonly [shape in Shape]: string } = {
  record: '',
  final: 'final',
  deleted: 'taken back',
  late: 'late',
  dropped: 'dropped',
  filtered: 'filtered out',
}

/** A value as people read it. @param indent spaces, for one over several lines */
export function valueText(value: unknown, indent = 0): string {
  if (typeof value !== 'object') return String(value)
  try {
    return JSON.stringify(value, (_, part) => (typeof part === 'bigint' ? String(part) : part), indent) ?? show(value)
  } catch {
    // What has no JSON (a circle) has a name.
    return show(value)
  }
}

/** A key as people read it. */
export const keyName = (key: unknown): string => (key === null ? 'no key' : valueText(key))

export const shapeText = ({ shape }: Marble): string => TEXTS[shape]

/** A marble as it is read out: key, value, time, lane. */
export function marbleText(marble: Marble, laneName: string, format: (value: unknown) => string): string {
  const window = windowOf(marble)
  return [
    keyName(marble.key),
    format(marble.value),
    timeText(marble.time),
    laneName,
    ...(window === undefined ? [] : [`window ${windowText(window)}`]),
    ...(shapeText(marble) === '' ? [] : [shapeText(marble)]),
  ].join(', ')
}

/** The window of a result. */
export const windowOf = ({ record }: Marble): { readonly start: number; readonly end: number } | undefined =>
  (record as { readonly window?: { readonly start: number; readonly end: number } }).window

export const windowText = ({ start, end }: { readonly start: number; readonly end: number }): string =>
  `${timeText(start)} to ${timeText(end)}`

/** A window as it is read out. */
export function bracketText({ key, start, end, count, isClosed }: Bracket): string {
  const records = count === undefined ? [] : [`${count} ${count === 1 ? 'record' : 'records'}`]
  return [keyName(key), windowText({ start, end }), ...records, isClosed ? 'closed' : 'open'].join(', ')
}
