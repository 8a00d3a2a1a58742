import { merge } from 'rxjs'
import {
  type App,
  aggregate,
  avg,
  batch,
  cogroup,
  collect,
  count,
  dedup,
  foreignKeyJoin,
  globalTableJoin,
  hoppingWindow,
  json,
  keyBy,
  latest,
  mapAsync,
  mapValues,
  matchPattern,
  pattern,
  process,
  rollingAggregate,
  type StreamRecord,
  sessionWindow,
  shared,
  sideOutput,
  slidingWindow,
  split,
  streamStreamJoin,
  streamTableJoin,
  sum,
  suppress,
  tableFilter,
  tableGroupBy,
  tableMapValues,
  tableTableJoin,
  topK,
  toStream,
  toTable,
  toTopic,
  tumblingWindow,
  withWatermark,
} from 'tidemark'
import type { InputRecord } from 'tidemark/testing'

type Row = StreamRecord<string, number>

const PARTITIONS = 2
const KEYS = ['a', 'b', 'c', 'd'] as const

/** Records of two topics, out of order by up to 20 ms, some of them deletes or too late; the last ones move time on in each partition. */
export const INPUT: readonly InputRecord[] = [
  ...[0, 30, 10, 45, 60, 20, 75, 130, 90, 5, 160, 150].map((timestamp, n) => ({
    topic: n % 3 === 1 ? 'right' : 'left',
    key: KEYS[(n * 3) % 4] as string,
    value: n === 7 ? null : n,
    timestamp,
  })),
  ...['left', 'right'].flatMap((topic) =>
    Array.from({ length: PARTITIONS }, (_, partition) => ({
      topic,
      key: 'end',
      partition,
      value: 1,
      timestamp: 1_000,
    })),
  ),
]

/** Pipelines have topics of their own: the order among their results is open. */
const OUTPUTS = ['out', 'other', 'third', 'fourth']
export const TOPICS = Object.fromEntries(['left', 'right', ...OUTPUTS].map((topic) => [topic, PARTITIONS]))

const WATERMARK = { maxOutOfOrderness: 20 }
const stream = (app: App, topic = 'left') => app.stream<number>(topic, { value: json() })
const timed = (app: App, topic = 'left') => app.stream<number>(topic, { value: json(), watermark: WATERMARK })
const table = (app: App, topic = 'right') => app.table<number>(topic, { value: json() })
const byParity = () => keyBy((record: Row) => `${record.value % 2}`, { name: 'parity' })
const both = (left: unknown, right: unknown) => [left, right]

/** Whole apps with all that can cross a task's border, by name. What they write must not depend on faults. */
export const APPS: Record<string, (app: App) => unknown> = {
  'windows behind an exchange, on close, late records set aside': (app) => {
    const late = sideOutput<Row>('late')
    const sums = timed(app).pipe(
      byParity(),
      tumblingWindow(50, { grace: 10, late }),
      aggregate(
        topK(20, (record: Row) => record.value),
        { name: 'lists', emit: 'close' },
      ),
    )
    app.run('lists', sums.pipe(toTopic('out')))
    app.run('late', late.pipe(toTopic('other')))
  },

  'every kind of window, in stream time': (app) => {
    const values = stream(app).pipe(byParity(), shared())
    const lists = (name: string) =>
      aggregate(
        collect((record: Row) => record.value),
        { name },
      )
    app.run('hopping', values.pipe(hoppingWindow(60, 30), lists('hopping'), toTopic('out')))
    app.run('sliding', values.pipe(slidingWindow(40, { grace: 30 }), lists('sliding'), toTopic('third')))
    app.run('sessions', values.pipe(sessionWindow(25, { grace: 30 }), lists('sessions'), toTopic('other')))
    app.run('rolling', values.pipe(rollingAggregate(50, count(), { name: 'rolling' }), toTopic('fourth')))
  },

  'two exchanges in a chain': (app) => {
    const counts = stream(app).pipe(byParity(), aggregate(count(), { name: 'counts' }))
    const total = counts.pipe(
      keyBy((record) => record.value % 3, { name: 'thirds' }),
      aggregate(
        topK(3, ({ value }) => value),
        { name: 'highest' },
      ),
    )
    app.run('total', total.pipe(toTopic('out', { key: json() })))
  },

  'a window of windows': (app) => {
    const sums = timed(app).pipe(
      tumblingWindow(20),
      aggregate(
        sum(({ value }) => value),
        { name: 'sums', emit: 'close' },
      ),
    )
    const peaks = toTable('all', sums)
      .pipe(toStream())
      .pipe(mapValues((value) => value ?? 0))
    app.run('sums', peaks.pipe(toTopic('out')))
  },

  'streams joined': (app) => {
    const joined = timed(app).pipe(
      streamStreamJoin(timed(app, 'right'), both, { within: 50, grace: 20, kind: 'outer', name: 'joined' }),
    )
    app.run('joined', joined.pipe(toTopic('out')))
  },

  'streams joined behind exchanges': (app) => {
    const joined = stream(app).pipe(
      byParity(),
      streamStreamJoin(
        stream(app, 'right').pipe(keyBy((record: Row) => `${record.value % 2}`, { name: 'right' })),
        both,
        {
          within: 50,
          kind: 'left',
          name: 'joined',
        },
      ),
    )
    app.run('joined', joined.pipe(toTopic('out')))
  },

  'a table as of each record': (app) => {
    const rows = app.table<number>('right', { value: json(), history: 200, name: 'rows' })
    const joined = timed(app).pipe(streamTableJoin(rows, both, { kind: 'left', grace: 30, name: 'joined' }))
    app.run('joined', joined.pipe(toTopic('out')))
  },

  'tables joined': (app) => {
    const joined = table(app, 'left').pipe(tableTableJoin(table(app), both, { kind: 'outer', name: 'joined' }))
    app.run('joined', joined.pipe(toStream()).pipe(toTopic('out')))
  },

  'a foreign key': (app) => {
    const joined = table(app, 'left').pipe(
      foreignKeyJoin(table(app), (value) => KEYS[value % 4], both, { kind: 'left', name: 'owners' }),
    )
    app.run('joined', joined.pipe(toStream()).pipe(toTopic('out')))
  },

  'a global table': (app) => {
    const rows = app.globalTable<number>('right', { value: json() })
    const joined = stream(app).pipe(globalTableJoin(rows, ({ key }) => key, both, { kind: 'left' }))
    app.run('joined', joined.pipe(toTopic('out')))
  },

  'a table grouped': (app) => {
    const groups = table(app)
      .pipe(tableFilter(({ value }) => value !== 4))
      .pipe(tableMapValues((value: number) => value + 1))
      .pipe(
        tableGroupBy(
          ({ value }) => `${value % 2}`,
          avg(({ value }) => value),
          { name: 'groups' },
        ),
      )
    app.run('groups', groups.pipe(toStream()).pipe(toTopic('out')))
    app.run('left', stream(app).pipe(toTopic('other')))
  },

  'changes kept back': (app) => {
    const sums = timed(app).pipe(tumblingWindow(50), aggregate(count(), { name: 'counts' }))
    const final = toTable('table', sums).pipe(suppress({ until: 'close', name: 'final' }))
    app.run('final', final.pipe(toStream()).pipe(toTopic('out')))
    const rows = toTable('rows', stream(app, 'right'), { ttl: 90 }).pipe(suppress({ until: 40, name: 'some' }))
    app.run('some', rows.pipe(toStream()).pipe(toTopic('other')))
  },

  'several streams in one': (app) => {
    const grouped = cogroup(
      { init: () => ({ left: 0, right: 0 }), result: (acc) => ({ ...acc }) },
      [
        [stream(app), (acc, { value }) => ({ ...acc, left: acc.left + (value ?? 0) })],
        [stream(app, 'right'), (acc, { value }) => ({ ...acc, right: acc.right + (value ?? 0) })],
      ],
      { name: 'both' },
    )
    app.run('both', grouped.pipe(toTopic('out')))
  },

  'state and timers of one’s own': (app) => {
    const quiet = timed(app).pipe(
      byParity(),
      process<Row, StreamRecord<string, string>>(
        ({ emit, value, timers, time }) => {
          const seen = value<number>()
          return {
            record(record) {
              seen.put((seen.get() ?? 0) + 1)
              timers.at(record.timestamp + 30, record.key)
            },
            timer(timestamp, key) {
              emit({ ...NOTHING, key: key as string, value: `${seen.get()} by ${time()}`, timestamp })
            },
          }
        },
        { name: 'quiet' },
      ),
    )
    app.run('quiet', quiet.pipe(toTopic('out')))
  },

  'what waits for more': (app) => {
    const values = timed(app).pipe(byParity(), shared())
    app.run('batches', values.pipe(batch({ maxRecords: 3, within: 80, name: 'batches' }), toTopic('out')))
    app.run('latest', values.pipe(latest({ every: 40, name: 'latest' }), toTopic('third')))
    app.run('once', values.pipe(dedup({ within: 60, name: 'once' }), toTopic('other')))
    const rising = pattern('low', (record: Row) => record.value < 5)
      .followedBy('high', (record: Row) => record.value > 5)
      .within(200)
    app.run('rising', values.pipe(matchPattern(rising, { name: 'rising' }), toTopic('fourth')))
  },

  'calls under way': (app) => {
    // Each call ends when the next one of its key is made, here or in the process that took over.
    const waiting = new Map<string, () => void>()
    const called = stream(app).pipe(
      mapAsync(
        async ({ key, value }) => {
          waiting.get(key)?.()
          if (key !== 'end') await new Promise<void>((resolve) => waiting.set(key, resolve))
          return `${value} called`
        },
        { name: 'calls', order: 'none' },
      ),
      aggregate(
        collect(({ value }) => value),
        { name: 'answers' },
      ),
    )
    app.run('called', called.pipe(toTopic('out')))
  },

  'branches that meet again': (app) => {
    const { small, rest } = split(stream(app).pipe(withWatermark(WATERMARK)), {
      small: (record: Row) => record.value < 5,
    })
    const counts = merge(small, rest.pipe(mapValues((value) => -(value ?? 0)))).pipe(
      aggregate(
        sum(({ value }) => value),
        { name: 'sums' },
      ),
    )
    app.run('sums', counts.pipe(toTopic('out')))
  },
}

const NOTHING = { topic: '', partition: 0, offset: 0, headers: [] }
