/** The first time; doubling from then on, and at most. */
const FIRST_MS = 100
const LONGEST_MS = 10_000

/** How long who had to let go of everything waits before it joins again. @param times how often it has, since all was well */
export const rejoinPauseMs = (times: number): number => Math.min(LONGEST_MS, FIRST_MS * 2 ** times)
