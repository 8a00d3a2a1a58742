const SECOND = 1_000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

const STEPS = [
  ...[1, 2, 5, 10, 20, 50, 100, 200, 500],
  ...[1, 2, 5, 10, 15, 30].map((n) => n * SECOND),
  ...[1, 2, 5, 10, 15, 30].map((n) => n * MINUTE),
  ...[1, 2, 3, 6, 12].map((n) => n * HOUR),
  ...[1, 2, 7, 14, 28, 91, 364].map((n) => n * DAY),
]

/** The step between ticks, in ms: the smallest round one that leaves `minPx` between labels. */
export function stepOf(msPerPx: number, minPx: number): number {
  return STEPS.find((step) => step / msPerPx >= minPx) ?? (STEPS.at(-1) as number)
}

/** The ticks from one time to another, in UTC. */
export function ticks(from: number, to: number, step: number): number[] {
  const found: number[] = []
  for (let at = Math.ceil(from / step) * step; at <= to; at += step) found.push(at)
  return found
}

const two = (n: number) => String(n).padStart(2, '0')

/** A tick's label, in UTC: no finer than its step. */
export function tickLabel(time: number, step: number): string {
  const date = new Date(time)
  if (step >= DAY) return `${date.getUTCDate()} ${month(date)}`
  const clock = `${two(date.getUTCHours())}:${two(date.getUTCMinutes())}`
  if (step >= MINUTE) return clock
  const seconds = `${clock}:${two(date.getUTCSeconds())}`
  return step >= SECOND ? seconds : `${seconds}.${String(date.getUTCMilliseconds()).padStart(3, '0')}`
}

/** A time as it is read out or shown in full, in UTC. */
export function timeText(time: number): string {
  if (!Number.isFinite(time)) return time > 0 ? 'the end' : 'no time yet'
  const date = new Date(time)
  if (Number.isNaN(date.getTime())) return String(time)
  return tickLabel(time, date.getUTCMilliseconds() === 0 ? SECOND : 1)
}

/** The day of a time, in UTC. */
export const dayText = (time: number): string => {
  const date = new Date(time)
  return `${date.getUTCDate()} ${month(date)} ${date.getUTCFullYear()}`
}

const month = (date: Date) =>
  ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'][date.getUTCMonth()] as string
