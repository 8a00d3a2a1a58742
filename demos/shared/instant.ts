/** As 2026-01-01 05:14:58. */
export const instant = (ms: number) => new Date(ms).toISOString().slice(0, 19).replace('T', ' ')
