import { expected } from './clickstreamCase.js'
import type { Part } from './demoCase.js'

/** What the clickstream page must show of a part, as text. */
export function sessionNumbers(part: Part) {
  const { engagement, sessions, open } = expected(part)
  const bounces = (channel: string) =>
    [...sessions.values()].flat().filter((session) => session.channel === channel && session.isBounce).length
  return {
    engagement: Array.from(engagement, ([channel, { sessions, meanPages, bounceRate }]) => [
      channel,
      String(sessions),
      meanPages.toFixed(1),
      `${Math.round(bounceRate * 100)} %`,
    ]).sort(),
    state: Array.from(engagement, ([channel, { sessions }]) => [
      channel,
      String(sessions),
      String(bounces(channel)),
    ]).sort(),
    open,
  }
}
