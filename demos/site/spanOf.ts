import type { Duration } from 'tidemark'

/** How much event time a marble view begins with: less on a narrow screen. */
export const spanOf = (wide: Duration, narrow: Duration): Duration =>
  matchMedia('(max-width: 44rem)').matches ? narrow : wide
