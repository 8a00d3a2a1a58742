import { describe, expect, test } from '@jest/globals'
import { type Observable, Subject } from 'rxjs'
import {
  type App,
  aggregate,
  batch,
  collect,
  count,
  customWindow,
  dedup,
  hoppingWindow,
  json,
  latest,
  local,
  matchPattern,
  pattern,
  record,
  rollingAggregate,
  type StreamRecord,
  sessionWindow,
  slidingWindow,
  streamStreamJoin,
  streamTableJoin,
  toTable,
  tumblingWindow,
} from 'tidemark'
import { testApp } from 'tidemark/testing'
import { loadAll } from '../../lib/ports/loadAll.js'

const RECORDS = 10_000_000
const KEYS = Array.from({ length: 100 }, (_, i) => `key-${i}`)

test('ten million records over ten thousand windows: as many rows at the end as near the beginning', () => {
  const sizes: number[] = []
  const stream = new Subject<StreamRecord<string, number>>()
  const counted = stream.pipe(tumblingWindow('1s', { grace: '2s' }), aggregate(count(), { emit: 'close' }))
  const table = toTable(undefined, counted)
  let total = 0
  local(counted).subscribe((result) => {
    total += result.value
  })
  for (let i = 0; i < RECORDS; i++) {
    stream.next(record(KEYS[(i * 31) % 100] as string, i, i + ((i * 7) % 50)))
    // Off the windows' edges, where one has just closed.
    if (i % 500_000 === 250_500) sizes.push(Array.from(table.entries()).length)
  }
  stream.complete()
  expect(total).toBe(RECORDS)
  // Windows of a second, each with a row per key: the one that is filled, the two in their grace, at most one that has just begun.
  expect(sizes).toHaveLength(20)
  for (const size of sizes) expect(size).toBeGreaterThanOrEqual(3 * KEYS.length)
  for (const size of sizes) expect(size).toBeLessThanOrEqual(4 * KEYS.length)
}, 180_000)

type In = StreamRecord<string, number>
const STEPS = 40
const STEP = 250

/** Each with keys that come, stay for a while and never come again. */
const pipelines: Record<string, (s: Observable<In>, app: App) => Observable<unknown>> = {
  'hopping windows': (s) => s.pipe(hoppingWindow(100, 30, { grace: 20 }), aggregate(count(), { name: 'state' })),
  'sliding windows': (s) => s.pipe(slidingWindow(50, { grace: 20 }), aggregate(count(), { name: 'state' })),
  sessions: (s) => s.pipe(sessionWindow(40, { grace: 20 }), aggregate(count(), { name: 'state' })),
  'sessions, on close': (s) => s.pipe(sessionWindow(40), aggregate(collect(), { name: 'state', emit: 'close' })),
  'windows of one’s own': (s) =>
    s.pipe(
      customWindow({
        maxSize: 70,
        windowsOf: (t) => [{ start: t - (t % 70), end: t - (t % 70) + 70 }],
      }),
      aggregate(count(), { name: 'state' }),
    ),
  'windows with retention': (s) =>
    s.pipe(tumblingWindow(50), aggregate(count(), { name: 'state', emit: 'close', retention: 400 })),
  'windows with results every so often': (s) =>
    s.pipe(tumblingWindow(200), aggregate(count(), { name: 'state', emit: { every: 50 } })),
  'a rolling aggregate': (s) => s.pipe(rollingAggregate(100, count(), { name: 'state' })),
  dedup: (s) => s.pipe(dedup({ within: 100, name: 'state' })),
  batch: (s) => s.pipe(batch({ maxRecords: 7, within: 100, name: 'state' })),
  latest: (s) => s.pipe(latest({ every: 60, name: 'state' })),
  'a pattern': (s) =>
    s.pipe(
      matchPattern(
        pattern('a', (r: In) => r.value % 3 === 0)
          .followedBy('b', (r: In) => r.value % 5 === 0)
          .within(80),
        { name: 'state' },
      ),
    ),
  'a join of two streams': (s, app) =>
    s.pipe(
      streamStreamJoin(app.stream<number>('other', { value: json() }), (l, r) => [l, r], {
        within: 50,
        grace: 20,
        kind: 'outer',
        name: 'state',
      }),
    ),
  'a table with a time to live': (s) => toTable('state', s, { ttl: 120 }).changes(),
  'a join with a versioned table': (s, app) =>
    s.pipe(
      streamTableJoin(app.table<number>('other', { value: json(), name: 'versions', history: 100 }), (l, r) => [l, r], {
        grace: 50,
        name: 'state',
        kind: 'left',
      }),
    ),
}

describe('keys that come and go leave nothing behind in the store', () => {
  test.each(Object.entries(pipelines))('%s', async (_name, pipeline) => {
    const t = await testApp(
      (app) => {
        const stream = app.stream<number>('in', { value: json() })
        app.run('it', pipeline(stream, app))
      },
      { topics: { in: 1, other: 1 } },
    )
    const sizes: number[] = []
    for (let step = 0; step < STEPS; step++) {
      for (const topic of ['in', 'other']) {
        await t.send(
          topic,
          Array.from({ length: STEP }, (_, i) => {
            const n = step * STEP + i
            // A versioned table keeps each key's present row: it gets the same few keys over and over.
            const key = topic === 'other' ? `k${n % 10}` : `k${Math.floor(n / 50) * 10 + (n % 10)}`
            return { key, value: n, timestamp: n + ((n * 7) % 15) }
          }),
        )
      }
      await t.settle()
      let entries = 0
      for (const scope of await t.store.scopes()) {
        if (!scope.startsWith('task/')) continue
        for (const [entry] of await loadAll(t.store, scope)) if (entry.startsWith('s/')) entries++
      }
      sizes.push(entries)
    }
    expect(t.errors).toEqual([])
    const [early, lately] = [sizes.slice(5, 12), sizes.slice(-7)].map((some) => Math.max(...some)) as [number, number]
    expect(early).toBeGreaterThan(0)
    expect(lately).toBeLessThanOrEqual(early + 5)
    await t.stop()
  })
})
