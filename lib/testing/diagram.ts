import { type Duration, durationMs } from '../record/duration.js'

/** A record in a diagram, at its time in ms. */
export interface RecordMark {
  readonly time: number
  readonly kind: 'record'
  readonly symbol: string
  readonly timestamp: number | undefined
}

/** Something that a diagram shows, at its time in ms. */
export type Mark =
  | RecordMark
  | { readonly time: number; readonly kind: 'complete' }
  | { readonly time: number; readonly kind: 'error' }

/** A parsed diagram: its marks in order, and when it ends. */
export interface Diagram {
  readonly marks: readonly Mark[]
  readonly end: number
}

/**
 * Reads a diagram: time in ms runs with the columns.
 *
 * ```
 * diagram  = { '-' | record | '|' | '#' | group | gap }       spaces don't count
 * record   = symbol [ '@' timestamp ]                         a symbol is any other character
 * group    = '(' { record | '|' | '#' } ')'                   all at the column of '('
 * gap      = ' ' number ( 'ms' | 's' | 'm' | 'h' | 'd' ) ' '  that much time passes
 * ```
 *
 * Each character takes 1 ms, those of `@12` and of a group too, so that equal columns of two diagrams are the same time.
 * `|` completes, `#` is an error.
 *
 * @throws Error with the place, for what isn't a diagram
 */
export function parseDiagram(text: string): Diagram {
  const marks: Mark[] = []
  let time = 0
  let group: number | undefined
  let at = 0
  const fail = (what: string): never => {
    throw new Error(`${what} at column ${at} of the diagram ${JSON.stringify(text)}`)
  }
  while (at < text.length) {
    const rest = text.slice(at)
    const gap = (at === 0 || text[at - 1] === ' ') && /^(\d+(?:\.\d+)?(?:ms|s|m|h|d))(?= |$)/.exec(rest)
    if (gap) {
      time += durationMs(gap[1] as Duration, 'diagram')
      at += gap[0].length
      continue
    }
    const char = String.fromCodePoint(text.codePointAt(at) as number)
    const now = group ?? time
    let columns = 1
    let length = char.length
    if (char === ' ') columns = 0
    else if (char === '(') {
      if (group !== undefined) fail('a group within a group')
      group = time
    } else if (char === ')') {
      if (group === undefined) fail('")" without "("')
      group = undefined
    } else if (char === '|' || char === '#')
      marks.push(char === '|' ? { time: now, kind: 'complete' } : { time: now, kind: 'error' })
    else if (char === '@') fail('"@" without a record before it')
    else if (char === '-') {
      if (group !== undefined) fail('time within a group')
    } else {
      const stamp = /^@(\d+)/.exec(rest.slice(char.length))
      marks.push({ time: now, kind: 'record', symbol: char, timestamp: stamp ? Number(stamp[1]) : undefined })
      columns += stamp?.[0].length ?? 0
      length += stamp?.[0].length ?? 0
    }
    time += columns
    at += length
  }
  if (group !== undefined) fail('"(" without ")"')
  return { marks, end: time }
}
