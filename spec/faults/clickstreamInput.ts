import type { InputRecord } from 'tidemark/testing'
import { topics, type View } from '../../demos/clickstream/pipeline.js'
import { keyIn, PARTITIONS } from './partitions.js'

const MINUTE = 60_000
const START = Date.UTC(2026, 0, 5)

export const VIEWS = (
  [
    ['ada', 0, '/', 'search'],
    ['ben', 1, '/blog', 'social'],
    ['ada', 3, '/docs', null],
    ['ada', 2, '/', null],
    // Two sessions, which the third one joins.
    ['eve', 5, '/', 'newsletter'],
    ['eve', 36, '/docs', null],
    ['eve', 20, '/pricing', null],
    ['ben', 50, '/', null],
    ['ada', 40, '/', 'ads'],
    // So far that all of these close, and one view is late.
    ...Array.from({ length: PARTITIONS }, (_, n) => [keyIn(n, 'visitor'), 120 + n, '/', 'search'] as const),
    ['ada', 60, '/docs', null],
    ...Array.from({ length: PARTITIONS }, (_, n) => [keyIn(n, 'visitor'), 200 + n, '/', null] as const),
  ] as const
).map(([visitor, minutes, page, channel]): View => ({ visitor, page, channel, time: START + minutes * MINUTE }))

export const INPUT: readonly InputRecord[] = VIEWS.map((value) => ({
  topic: topics.views,
  key: value.visitor,
  value,
  timestamp: value.time,
}))
