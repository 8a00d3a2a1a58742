import { toJson } from '../record/serde.js'

/**
 * JSON text of what a state holds. JSON gives infinity for a number that is too large, as 1e999, and so it is written: a record with such a
 * number would else stop the checkpoint, when nobody knows any more that it was this record's.
 *
 * @throws TidemarkError `NOT_SERIALISABLE`
 */
export function stateJson(value: unknown): string {
  try {
    return toJson(value)
  } catch (error) {
    const marks = { plus: mark('+'), minus: mark('-') }
    const marked = withMarks(value, marks)
    if (marked === value) throw error
    return toJson(marked).replaceAll(`"${marks.plus}"`, '1e999').replaceAll(`"${marks.minus}"`, '-1e999')
  }
}

interface Marks {
  readonly plus: string
  readonly minus: string
}

/** Text that no value holds. */
const mark = (sign: string) => `${sign}infinity ${Math.random()} ${Math.random()}`

/** A copy with marks in place of infinities; the same value if it holds none. */
function withMarks(value: unknown, marks: Marks): unknown {
  if (value === Number.POSITIVE_INFINITY) return marks.plus
  if (value === Number.NEGATIVE_INFINITY) return marks.minus
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) {
    const list = value.map((item) => withMarks(item, marks))
    return list.some((item, i) => item !== value[i]) ? list : value
  }
  // What isn't plain data is for toJson to refuse; another realm has another Object.prototype.
  const prototype = Object.getPrototypeOf(value)
  if (prototype !== null && Object.getPrototypeOf(prototype) !== null) return value
  const members = Object.entries(value).map(([name, member]) => [name, withMarks(member, marks), member] as const)
  return members.some(([, made, member]) => made !== member)
    ? Object.fromEntries(members.map(([name, made]) => [name, made]))
    : value
}
