import { describe, expect, test } from '@jest/globals'
import { merge, type Observable } from 'rxjs'
import {
  type App,
  aggregate,
  batch,
  count,
  createApp,
  dedup,
  embedded,
  flatMap,
  json,
  keyBy,
  latest,
  mapAsync,
  mapValues,
  memory,
  process,
  rateLimit,
  rollingAggregate,
  type StreamRecord,
  selectKey,
  shared,
  split,
  streamTableJoin,
  toTable,
  toTopic,
  tumblingWindow,
} from 'tidemark'

type Stream = Observable<StreamRecord<any, any>>

/** What planning says of it: nothing, or what it refuses. */
function planned(build: (stream: Stream, app: App) => Observable<unknown>): unknown {
  const app = createApp({ id: 'keys', broker: embedded(), store: memory() })
  app.run('it', build(app.stream<any>('in', { value: json() }), app))
  try {
    app.describe()
    return undefined
  } catch (error) {
    const { code, place, reason } = error as { code: string; place: { app: string; operator: string }; reason: string }
    return { code, place, keeper: reason.split(' ')[0] }
  }
}

const refused = (keeper: string, operator = 'selectKey') => ({
  code: 'KEY_CHANGED',
  place: { app: 'keys', operator },
  keeper,
})

const apart = selectKey((r: StreamRecord<any, any>) => r.value)
const together = selectKey((r: StreamRecord<any, any>) => [r.key, r.value], { partitioned: true })

const KEEPERS: Record<string, (stream: Stream, app: App) => Observable<unknown>> = {
  aggregate: (s) => s.pipe(aggregate(count())),
  'aggregate of a window': (s) => s.pipe(tumblingWindow(10), aggregate(count())),
  rollingAggregate: (s) => s.pipe(rollingAggregate(10, count())),
  batch: (s) => s.pipe(batch({ within: 10 })),
  dedup: (s) => s.pipe(dedup({ within: 10 })),
  latest: (s) => s.pipe(latest({ every: 10 })),
  process: (s) =>
    s.pipe(
      process(({ keyed }) => {
        const state = keyed<string, number>()
        return { record: (r: StreamRecord<string, any>) => state.put(r.key, 1) }
      }),
    ),
  't (toTable)': (s) => toTable('t', s).changes(),
  streamTableJoin: (s, app) => s.pipe(streamTableJoin(app.table('table', { value: json() }), () => 1)),
  'mapAsync by key': (s) => s.pipe(mapAsync(async () => 1, { order: 'key' })),
}
describe.each(Object.entries(KEEPERS))('%s', (name, keep) => {
  const keeper = name.split(' ')[0] as string

  test('behind selectKey is refused', () => {
    expect(planned((s, app) => keep(s.pipe(apart), app))).toEqual(refused(keeper))
  })

  test('behind it and stateless steps too', () => {
    const build = (s: Stream, app: App) =>
      keep(merge(s, split(s.pipe(apart, mapValues(String), shared()), { a: () => true }).a), app)
    expect(planned(build)).toEqual(refused(keeper))
  })

  test('is fine without it, and behind keyBy', () => {
    expect(planned(keep)).toBeUndefined()
    const by = keyBy((r: StreamRecord<any, any>) => r.value, { name: 'by' })
    expect(planned((s, app) => keep(s.pipe(apart, by), app))).toBeUndefined()
  })
})

describe('what is allowed behind selectKey', () => {
  test.each<[string, (stream: Stream) => Observable<unknown>]>([
    ['toTopic', (s) => s.pipe(apart, toTopic('out', { key: json<any>() }))],
    [
      'mapAsync',
      (s) =>
        s.pipe(
          apart,
          mapAsync(async () => 1),
        ),
    ],
    ['rateLimit', (s) => s.pipe(apart, rateLimit({ records: 1, per: 1 }))],
    [
      'a process without state',
      (s) =>
        s.pipe(
          apart,
          process(({ emit }) => ({ record: emit })),
        ),
    ],
    ['an aggregate before it', (s) => s.pipe(aggregate(count()), apart)],
    ['an aggregate beside it', (s) => merge(s.pipe(apart), s.pipe(aggregate(count())))],
    ['an aggregate, with partitioned: true', (s) => s.pipe(together, aggregate(count()))],
    ['the same after any change', (s) => s.pipe(apart, together, aggregate(count()))],
    ['a join of two that are re-keyed alike', (s) => joined(s.pipe(together), s.pipe(together))],
  ])('%s', (_name, build) => {
    expect(planned(build)).toBeUndefined()
  })

  test('not: a change after partitioned: true', () => {
    expect(planned((s) => s.pipe(together, apart, aggregate(count())))).toEqual(refused('aggregate'))
  })

  test('not: a join where only one side is re-keyed, as its keys lie by the old one', () => {
    expect(planned((s) => joined(s.pipe(together), s))).toEqual(refused('streamTableJoin'))
    expect(planned((s) => joined(s, s.pipe(together)))).toEqual(refused('streamTableJoin'))
  })

  test('not: a merge of re-keyed and other records', () => {
    expect(planned((s) => merge(s, s.pipe(together)).pipe(aggregate(count())))).toEqual(refused('aggregate'))
  })
})

const joined = (left: Stream, right: Stream) => left.pipe(streamTableJoin(toTable('right', right), () => 1))

test('flatMap may stand before state by key: planning tells it, and it looks at keys', () => {
  expect(
    planned((s) =>
      s.pipe(
        flatMap((r) => [r]),
        aggregate(count()),
      ),
    ),
  ).toBeUndefined()
  expect(
    planned((s) =>
      s.pipe(
        apart,
        flatMap((r) => [r]),
        aggregate(count()),
      ),
    ),
  ).toEqual(refused('aggregate'))
})

test('a graph of many ways is walked once', () => {
  const forked = (s: Stream): Stream => {
    let all = s
    for (let n = 0; n < 40; n++) all = merge(all.pipe(mapValues((v) => v)), all.pipe(mapValues((v) => v)))
    return all
  }
  expect(planned((s) => forked(s).pipe(dedup({ within: 1 })))).toBeUndefined()
  expect(planned((s) => forked(s.pipe(apart)).pipe(dedup({ within: 1 })))).toEqual(refused('dedup'))
})
