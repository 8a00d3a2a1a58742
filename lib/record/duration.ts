import { show, TidemarkError } from './errors.js'

type Unit = 'ms' | 's' | 'm' | 'h' | 'd'

/**
 * A length of time: a number of milliseconds, or a number with a unit.
 *
 * ```ts
 * const a: Duration = 500
 * const b: Duration = '1.5h'
 * ```
 */
export type Duration = number | `${number}${Unit}`

const UNIT_MS: Record<string, number> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/**
 * Turns a duration into whole milliseconds.
 *
 * @param what names the parameter in the error, as `tumblingWindow: size`
 * @throws TidemarkError `BAD_DURATION` if it isn't a duration, is negative, below `minMs`, or not a whole number of ms
 */
export function durationMs(duration: Duration, what: string, minMs = 0): number {
  const match = typeof duration === 'string' ? /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(duration) : null
  const ms =
    typeof duration === 'number'
      ? duration
      : match
        ? Math.round(Number(match[1]) * (UNIT_MS[match[2] as string] as number) * 1e6) / 1e6
        : Number.NaN
  if (!Number.isSafeInteger(ms) || ms < minMs) {
    throw new TidemarkError(
      'BAD_DURATION',
      `${what} must be at least ${minMs} ms, as a whole number of milliseconds or a string such as '500ms', '10s', '5m', '24h' or '7d'; got ${show(duration)}`,
    )
  }
  return ms
}
