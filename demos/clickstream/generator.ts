import { type Arrival, arrivals } from '../shared/arrivals.js'
import type { Happening } from '../shared/demo.js'
import { mulberry32, pick } from '../shared/random.js'
import { topics, type View } from './pipeline.js'

const SECOND = 1_000
const MINUTE = 60 * SECOND

/** Event time of the first visit. */
export const START = Date.UTC(2026, 0, 5, 6)
const STEP_MS = 90 * SECOND
const VISITORS = 120
/** Views come out of order by at most this, while the phone has a connection. */
const DISORDER_MS = 90 * SECOND

interface Channel {
  /** Null: somebody who has typed in the address. */
  readonly name: string | null
  readonly bounces: number
  readonly further: number
  readonly landings: readonly string[]
}

const CHANNELS: readonly Channel[] = [
  { name: 'search', bounces: 0.42, further: 0.66, landings: ['/docs/windows', '/docs/joins', '/', '/docs/time'] },
  { name: 'search', bounces: 0.42, further: 0.66, landings: ['/docs/windows', '/docs/joins', '/', '/docs/time'] },
  { name: 'social', bounces: 0.63, further: 0.5, landings: ['/blog/out-of-order', '/blog/sessions'] },
  { name: 'ads', bounces: 0.55, further: 0.4, landings: ['/pricing', '/'] },
  { name: 'newsletter', bounces: 0.18, further: 0.8, landings: ['/blog/sessions', '/blog/release'] },
  { name: null, bounces: 0.3, further: 0.74, landings: ['/', '/docs', '/account'] },
]
const PAGES = ['/', '/docs', '/docs/windows', '/docs/joins', '/docs/time', '/pricing', '/blog/release', '/account']

/** Visits of some days to a website. Some phones lose their connection on the way, and send what was looked at later. */
export const happenings = (seed: number): Generator<Happening> => arrivals(visits(mulberry32(seed)))

function* visits(random: () => number): Generator<{ from: number; records: Arrival[] }> {
  for (let n = 0; ; n++) {
    const from = START + n * STEP_MS
    const visitor = `visitor-${String(1 + Math.floor(random() * VISITORS)).padStart(3, '0')}`
    const isTunnel = random() < 0.05
    const views = isTunnel ? throughTunnel(random, visitor, from) : visit(random, visitor, from)
    const isOffline = !isTunnel && random() < 0.06
    const offlineMs = 8 * MINUTE + random() * 40 * MINUTE
    const records = views.map((view, index) => {
      // The beginning gets through, and the end.
      const isHeldBack = isTunnel ? index === 1 : isOffline && index > 0 && index < views.length - 1
      const heldMs = isTunnel ? 18 * MINUTE : offlineMs
      const delay = Math.floor(random() * DISORDER_MS) + (isHeldBack ? heldMs : 0)
      return { topic: topics.views, key: visitor, value: view, timestamp: view.time, at: view.time + delay }
    })
    yield { from, records }
  }
}

function visit(random: () => number, visitor: string, from: number): View[] {
  const { name, bounces, further, landings } = pick(random, CHANNELS)
  let time = from + Math.floor(random() * STEP_MS)
  const views: View[] = [{ visitor, page: pick(random, landings), channel: name, time }]
  if (random() < bounces) return views
  do {
    const isLongRead = random() < 0.05
    time += Math.floor(8 * SECOND + random() ** 2 * (isLongRead ? 28 * MINUTE : 4 * MINUTE))
    views.push({ visitor, page: pick(random, PAGES), channel: null, time })
  } while (random() < further)
  return views
}

/** Three views, of which the middle one makes one session of two: it arrives last. */
function throughTunnel(random: () => number, visitor: string, from: number): View[] {
  const time = from + Math.floor(random() * STEP_MS)
  return [0, 1, 2].map((n) => ({
    visitor,
    page: pick(random, PAGES),
    channel: n === 0 ? 'newsletter' : null,
    time: time + n * 16 * MINUTE,
  }))
}
