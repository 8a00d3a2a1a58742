import type { Demo } from '../shared/demo.js'
import { instant } from '../shared/instant.js'
import { span } from '../shared/span.js'
import type { TailRecord } from '../shared/tail.js'
import { happenings } from './generator.js'
import { clickstream, type Engagement, type Session, topics } from './pipeline.js'

const { views, ...outputs } = topics

export const demo: Demo = {
  name: 'clickstream',
  inputs: [views],
  outputs: Object.values(outputs),
  compacted: [topics.engagement],
  noun: 'page views',
  rate: 50,
  build: clickstream,
  facts: () => [],
  happenings,
  board() {
    let sessions = 0
    let late = 0
    const engagement = new Map<string, Engagement>()
    return {
      take(topic, { key, value }: TailRecord<any>) {
        if (topic === topics.engagement) engagement.set(key, value)
        if (topic === topics.late) late++
        if (topic !== topics.sessions) return
        sessions++
        return sessionLine(value)
      },
      figures: () => `sessions ${sessions} | late views ${late}`,
      table: () => [
        `${'channel'.padEnd(12)}${'sessions'.padStart(9)}${'mean duration'.padStart(16)}${'pages'.padStart(8)}${'bounces'.padStart(9)}`,
        ...[...engagement]
          .sort(([a], [b]) => (a < b ? -1 : 1))
          .map(
            ([channel, { sessions, meanDurationMs, meanPages, bounceRate }]) =>
              `${channel.padEnd(12)}${String(sessions).padStart(9)}${span(meanDurationMs).padStart(16)}${meanPages.toFixed(1).padStart(8)}${`${Math.round(bounceRate * 100)} %`.padStart(9)}`,
          ),
      ],
    }
  },
}

const sessionLine = ({ start, visitor, durationMs, views, pages, landing, channel, isBounce }: Session) =>
  `${instant(start)}  SESSION  ${visitor}  ${channel.padEnd(10)}  ${isBounce ? `${landing}, and gone` : `${span(durationMs)} from ${landing}: ${views} views of ${pages} pages`}`
