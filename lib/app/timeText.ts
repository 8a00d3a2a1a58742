/** What is later stands for the end of all records. */
export const LAST_DATE = 8.64e15

/** ms as they are where they are small, as in tests; else a date. */
export function timeText(time: number): string {
  if (time < -LAST_DATE) return 'unknown'
  if (time > LAST_DATE) return 'never'
  return Math.abs(time) < 1e11 ? String(time) : new Date(time).toISOString()
}
