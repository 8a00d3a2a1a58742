import { map, merge } from 'rxjs'
import {
  type App,
  aggregate,
  batch,
  collect,
  count,
  deadLetter,
  dedup,
  globalTableJoin,
  hoppingWindow,
  json,
  keyBy,
  mapAsync,
  mapValues,
  process,
  rateLimit,
  record,
  retry,
  rollingAggregate,
  type StreamRecord,
  sessionWindow,
  sideOutput,
  slidingWindow,
  streamStreamJoin,
  streamTableJoin,
  sum,
  suppress,
  tableGroupBy,
  toStream,
  toTable,
  toTopic,
  tumblingWindow,
} from '../../lib/index.js'

export interface Thing {
  readonly n: number
  readonly other: string
}

type Things = StreamRecord<string, Thing>

const WATERMARK = { maxOutOfOrderness: 20, idleTimeout: 300 } as const

/** Keeps all values: what a sum hides shows. */
const all = () => collect(({ value }: { value: Thing }) => value.n)

/** Pipelines over the topics `a` and `b`, with what is hard about replaying them. */
export const PIPELINES: Record<string, (app: App) => void> = {
  'windows with a watermark, idle partitions, late records'(app) {
    const late = sideOutput<Things>('late')
    const a = app.stream<Thing>('a', { value: json(), watermark: WATERMARK })
    app.run('w', a.pipe(tumblingWindow(50, { late }), aggregate(all(), { name: 'w', emit: 'close' }), toTopic('out')))
    app.run('late', late.pipe(toTopic('late')))
  },

  'an exchange in stream time'(app) {
    const a = app.stream<Thing>('a', { value: json() })
    const keyed = a.pipe(keyBy(({ value }) => value.other, { name: 'other' }))
    app.run('h', keyed.pipe(hoppingWindow(60, 20, { grace: 10 }), aggregate(all(), { name: 'h' }), toTopic('out')))
    app.run('s', keyed.pipe(sessionWindow(30, { grace: 30 }), aggregate(all(), { name: 's' }), toTopic('sessions')))
    app.run('l', keyed.pipe(slidingWindow(30, { grace: 10 }), aggregate(all(), { name: 'l' }), toTopic('sliding')))
  },

  'two exchanges with watermarks, and words between'(app) {
    const a = app.stream<Thing>('a', { value: json(), watermark: WATERMARK })
    const b = app.stream<Thing>('b', { value: json(), watermark: WATERMARK })
    const keyed = merge(a, b).pipe(
      keyBy(({ value }) => value.other, { name: 'other' }),
      // Words take offsets, too: one more or less shows.
      map((one) => ({ ...one, value: { ...one.value, n: one.offset } })),
    )
    const counted = keyed.pipe(tumblingWindow(50), aggregate(all(), { name: 'first', emit: 'close' }))
    app.run('first', counted.pipe(toTopic('counted')))
    app.run(
      'again',
      counted.pipe(
        map(({ window: _, final: __, ...rest }) => rest),
        keyBy(({ value }) => String(value.length % 3), { name: 'length' }),
        tumblingWindow(100),
        aggregate(count(), { name: 'second', emit: 'close' }),
        toTopic('out'),
      ),
    )
  },

  'joins of streams and tables, and groups'(app) {
    const a = app.stream<Thing>('a', { value: json() })
    const rows = app.table<Thing>('b', { value: json(), name: 'b' })
    const joined = a.pipe(streamTableJoin(rows, (left, right) => ({ left, right: right ?? null }), { kind: 'left' }))
    app.run('joined', joined.pipe(toTopic('out')))
    const grouped = rows.pipe(
      tableGroupBy(
        ({ value }) => value.other,
        sum(({ value }) => value.n),
        { name: 'groups' },
      ),
    )
    app.run(
      'groups',
      grouped
        .pipe(suppress({ until: 40, name: 'kept' }))
        .pipe(toStream())
        .pipe(toTopic('groups')),
    )
  },

  'two streams, joined'(app) {
    const a = app.stream<Thing>('a', { value: json(), watermark: WATERMARK })
    const b = app.stream<Thing>('b', { value: json(), watermark: WATERMARK })
    const joined = a.pipe(
      streamStreamJoin(b, (left, right) => [left.n, right?.n ?? null], { within: 30, kind: 'left', name: 'j' }),
    )
    app.run('joined', joined.pipe(toTopic('out')))
    const once = a.pipe(dedup({ within: 40, name: 'once' }), batch({ within: 50, maxRecords: 3, name: 'batches' }))
    app.run('batches', once.pipe(toTopic('batches')))
  },

  'timers of both kinds, and what beats'(app) {
    const a = app.stream<Thing>('a', { value: json(), watermark: WATERMARK })
    const timed = a.pipe(
      process<Things, StreamRecord<string, unknown>>(
        ({ timers, wallTimers, emit, every, keyed, wallTime }) => {
          const seen = keyed<string, number>()
          every(70, (at) => emit(record('beat', [at, seen.size], at)))
          return {
            record(one) {
              seen.put(one.key, (seen.get(one.key) ?? 0) + 1)
              timers.at(one.timestamp + 45, one.key)
              wallTimers.at(wallTime() + 33, one.key)
            },
            timer: (timestamp, key) => emit(record(key, ['time', seen.get(key)], timestamp)),
            wallTimer: (timestamp, key) => emit(record(key, ['wall', seen.get(key)], timestamp)),
          }
        },
        { name: 'timed' },
      ),
    )
    app.run('timed', timed.pipe(toTopic('out')))
    const limited = app.stream<Thing>('b', { value: json() }).pipe(rateLimit({ records: 2, per: 50, name: 'limited' }))
    app.run('limited', limited.pipe(toTopic('limited')))
  },

  'calls that take their time, and pauses'(app) {
    const a = app.stream<Thing>('a', { value: json() })
    let failures = 0
    const called = a.pipe(
      mapAsync(
        async ({ value }) => {
          for (let turns = value.n % 3; turns > 0; turns--) await new Promise((resolve) => setTimeout(resolve, 0))
          if (value.n % 5 === 0 && ++failures > 0) throw new Error('five')
          return { ...value, n: value.n + 1 }
        },
        { name: 'called', order: 'none', onError: retry({ times: 1, backoff: 25, orElse: deadLetter('dead') }) },
      ),
      aggregate(all(), { name: 'after' }),
    )
    app.run('called', called.pipe(toTopic('out')))
  },

  'records that go wrong where they have left traces'(app) {
    const a = app.stream<Thing>('a', { value: json(), onError: deadLetter('dead') })
    const counted = toTable('counts', a.pipe(aggregate(all(), { name: 'counts' })))
    const checked = a.pipe(
      keyBy(({ value }) => value.other, { name: 'other' }),
      rollingAggregate(60, all(), { name: 'rolling' }),
      mapValues((values) => values.length),
    )
    app.run('checked', checked.pipe(toTopic('out')))
    app.run(
      'bad',
      a.pipe(
        streamTableJoin(counted, (thing, so) => ({ thing, so })),
        mapValues(({ thing, so }) => {
          if (thing.n % 7 === 3) throw new RangeError(`${thing.n}`)
          return so.length
        }),
        toTopic('good'),
      ),
    )
  },

  'a global table'(app) {
    const rows = app.globalTable<Thing>('b', { value: json() })
    const a = app.stream<Thing>('a', { value: json() })
    const joined = a.pipe(
      globalTableJoin(
        rows,
        ({ value }) => value.other,
        (left, right) => [left.n, right?.n ?? null],
        { kind: 'left' },
      ),
    )
    app.run('joined', joined.pipe(toTopic('out')))
  },
}
