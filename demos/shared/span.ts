const MINUTE = 60
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

/** A length of time as 45 s, 12 min 5 s, 3 h 20 min or 2 d 4 h. A line is broken before a number, not before its unit. */
export function span(ms: number): string {
  const seconds = Math.round(ms / 1_000)
  if (seconds < MINUTE) return count(seconds, 's')
  if (seconds < HOUR) return two(seconds, MINUTE, 'min', 1, 's')
  return seconds < DAY ? two(seconds, HOUR, 'h', MINUTE, 'min') : two(seconds, DAY, 'd', HOUR, 'h')
}

function two(seconds: number, large: number, largeUnit: string, small: number, smallUnit: string): string {
  const rest = Math.floor((seconds % large) / small)
  const whole = count(Math.floor(seconds / large), largeUnit)
  return rest === 0 ? whole : `${whole} ${count(rest, smallUnit)}`
}

const count = (n: number, unit: string) => `${n}\u00a0${unit}`
