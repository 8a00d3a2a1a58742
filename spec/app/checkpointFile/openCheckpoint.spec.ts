import { gunzipSync } from 'node:zlib'
import { describe, expect, test } from '@jest/globals'
import {
  type App,
  aggregate,
  type Broker,
  count,
  json,
  keyBy,
  type OutRecord,
  openCheckpoint,
  type Position,
  process,
  type StreamRecord,
  sum,
  TidemarkError,
  toTopic,
  writeCheckpoint,
} from 'tidemark'
import { difference, type Outcome } from '../../../lib/testing/outcome.js'
import { APPS, INPUT, TOPICS } from '../../faults/apps.js'
import { type Kind, Resident } from './homes.js'

/** Those that depend on no clock but the records', and one that does. */
const ALL: Record<string, (app: App) => unknown> = {
  ...APPS,
  'timers by the wall clock, behind an exchange': (app) => {
    const rings = app.stream<number>('left', { value: json() }).pipe(
      keyBy(({ value }) => `${value % 3}`, { name: 'thirds' }),
      process<StreamRecord<string, number>, StreamRecord<string, number>>(
        ({ wallTimers, emit, value }) => {
          const last = value<number>()
          return {
            record(record) {
              last.put(record.value)
              wallTimers.at(100 + record.timestamp, record.key)
            },
            wallTimer(timestamp, key) {
              emit({ key, value: last.get() ?? -1, timestamp, topic: '', partition: 0, offset: 0, headers: [] })
            },
          }
        },
        { name: 'rings' },
      ),
    )
    app.run('rings', rings.pipe(toTopic('out')))
  },
}

const OUTPUTS = new Set(['out', 'other', 'third', 'fourth'])
const outputs = (records: Outcome['records']) => records.filter(({ topic }) => OUTPUTS.has(topic))
const AFTERWARDS = '2s'

/** Without an interruption. */
async function whole(name: string, kind: Kind): Promise<Outcome> {
  const home = new Resident(kind, ALL[name] as never, TOPICS)
  await home.createTopics()
  await home.start()
  await home.feed(INPUT)
  await home.app.advance(AFTERWARDS)
  await home.app.stop()
  expect(home.errors).toEqual([])
  const outcome = { records: outputs(await home.records()), states: await home.states() }
  await home.home.broker.close()
  return outcome
}

interface Move {
  readonly from: Kind
  readonly to: Kind
  /** How the app is found when the file is written. */
  readonly is: 'running' | 'stopped' | 'killed'
}

/** Moves out after some records, the last of which hasn't gone through all exchanges, and goes on elsewhere. */
async function moved(name: string, { from, to, is }: Move, count: number): Promise<Outcome> {
  const first = new Resident(from, ALL[name] as never, TOPICS)
  await first.createTopics()
  await first.start()
  await first.feed(INPUT.slice(0, count - 1))
  await first.send(INPUT.slice(count - 1, count))
  await first.app.settle({ checkpoint: false })
  if (is === 'stopped') await first.app.stop()
  if (is === 'killed') await first.app.crash()
  const file = await first.write(is === 'running' ? first.app.app : first.unstarted())
  await first.app.crash()
  expect(first.errors).toEqual([])
  const before = outputs(await first.records())
  await first.home.broker.close()

  const second = new Resident(to, ALL[name] as never, TOPICS)
  await second.createTopics()
  await second.send(INPUT.slice(0, count))
  await second.open(file)
  await second.start()
  await second.app.settle()
  await second.feed(INPUT.slice(count))
  await second.app.advance(AFTERWARDS)
  await second.app.stop()
  expect(second.errors).toEqual([])
  const after = outputs(await second.records())
  const outcome = { records: [...before, ...after], states: await second.states() }
  await second.home.broker.close()
  return outcome
}

/** Changelogs know no time of tasks without state that nothing goes by: it isn't known either where such a task had no record afterwards. */
function withoutIdleTasks(expected: Outcome, { from }: Move, came: Outcome): Outcome {
  if (from !== 'changelogs') return expected
  const taskOf = (line: string) => line.slice(0, line.indexOf(' '))
  const known = new Set(came.states.get('time')?.map(taskOf))
  const time = expected.states.get('time')?.filter((line) => known.has(taskOf(line)) || !/^left\//.test(line)) ?? []
  return { ...expected, states: new Map([...expected.states, ['time', time]]) }
}

describe.each<Move>([
  { from: 'topics and state in one store', to: 'changelogs', is: 'running' },
  { from: 'changelogs', to: 'the store alone', is: 'running' },
  { from: 'the store alone', to: 'topics and state in one store', is: 'running' },
  { from: 'changelogs', to: 'topics and state in one store', is: 'killed' },
  { from: 'topics and state in one store', to: 'the store alone', is: 'stopped' },
])('from $from to $to, written while it is $is', (move) => {
  test.each(Object.keys(ALL))('%s', async (name) => {
    const expected = await whole(name, move.to)
    for (const count of [4, 9, 13]) {
      const came = await moved(name, move, count)
      const found = difference(withoutIdleTasks(expected, move, came), came, 'perKey')
      if (found !== undefined) throw new Error(`moved after ${count} records: ${found}`)
    }
  })
})

// ---- what is refused

const TWO = { in: 2, out: 2 }
const counts = (app: App) =>
  app.run(
    'n',
    app.stream<number>('in', { value: json() }).pipe(
      keyBy(({ value }) => `${value % 2}`, { name: 'by' }),
      aggregate(count(), { name: 'n' }),
      toTopic('out'),
    ),
  )
const INPUTS = [1, 2, 3].map((value) => ({
  topic: 'in',
  key: `k${value}`,
  value,
  timestamp: value,
  partition: value % 2,
}))

/** The file of an app that has counted three records. */
async function counted(pipeline: (app: App) => unknown = counts): Promise<Uint8Array> {
  const home = new Resident('topics and state in one store', pipeline, TWO)
  await home.createTopics()
  await home.start()
  await home.feed(INPUTS)
  const file = await home.write()
  await home.app.stop()
  return file
}

/** A home that nobody has lived in. */
async function empty(
  kind: Kind,
  pipeline: (app: App) => unknown = counts,
  topics: Record<string, number> = TWO,
): Promise<Resident> {
  const home = new Resident(kind, pipeline, topics)
  await home.createTopics()
  await home.send(INPUTS)
  return home
}

const KINDS: Kind[] = ['topics and state in one store', 'changelogs', 'the store alone']
const written = async (home: Resident) =>
  (await home.records())
    .filter(({ topic }) => topic === 'out')
    .map(({ text }) => text)
    .sort()

describe.each(KINDS)('into %s', (kind) => {
  test('a home in which the app has run is refused, unless it is to be replaced', async () => {
    const file = await counted()
    const home = await empty(kind)
    await home.start()
    await home.feed([1, 1, 1, 1].map((value, n) => ({ topic: 'in', key: `x${n}`, value, timestamp: 9, partition: 1 })))
    await home.app.stop()
    await expect(home.open(file)).rejects.toMatchObject({
      code: 'BAD_STATE',
      reason: expect.stringContaining('replace'),
    })
    const before = (await written(home)).length
    await home.open(file, { replace: true })
    await home.start()
    await home.app.settle()
    // The file's places: the four records behind them are handled again, on top of the file's counts.
    expect((await written(home)).length - before).toBe(4)
    expect(await written(home)).toContain('1: 6 @9')
    await home.app.stop()
    expect(home.errors).toEqual([])
  })

  test('nothing of what the app had there is left, nor of what had been on its way', async () => {
    const file = await counted()
    const withOld = (app: App) => {
      counts(app)
      app.run('old', app.stream<number>('old', { value: json() }).pipe(aggregate(count(), { name: 'old' })))
    }
    const home = await empty(kind, withOld, { ...TWO, old: 1 })
    await home.start()
    await home.feed([5, 6, 7, 8].map((value) => ({ topic: 'in', key: 'x', value, timestamp: 9, partition: 0 })))
    await home.feed([{ topic: 'old', key: 'x', value: 1, timestamp: 9 }])
    // Written to the exchange, and not handled behind it.
    await home.send([{ topic: 'in', key: 'x', value: 5, timestamp: 9, partition: 0 }])
    await home.app.settle({ checkpoint: false })
    await home.app.stop()
    home.pipeline = counts
    await home.open(file, { replace: true })
    const again = await home.write(home.unstarted())
    expect(linesOf(again).filter(({ state }) => state !== undefined)).toEqual(
      linesOf(file).filter(({ state }) => state !== undefined),
    )
    expect(linesOf(again).filter(({ topic }) => topic !== undefined)).toEqual([])
    expect(gunzipSync(again).toString()).not.toContain('"old"')
    expect([...(await home.states()).keys()].sort()).toEqual(['state n', 'time'])
    const { states } = await home.done(home.unstarted().compare())
    expect(states.map(({ state, change }) => `${state} ${change}`)).toEqual(['n kept'])
    // Where the plan has it again, it begins anew.
    home.pipeline = withOld
    await home.start()
    await home.app.settle()
    await home.app.stop()
    expect((await home.states()).get('state old')).toEqual([expect.stringMatching(/ sx: \[1,9\]$/)])
  })

  test('an app that keeps nothing has come somewhere all the same', async () => {
    const passing = (app: App) => app.run('through', app.stream<number>('in', { value: json() }).pipe(toTopic('out')))
    const file = await counted(passing)
    const home = await empty(kind, passing)
    await home.start()
    await home.app.settle()
    await home.app.stop()
    await expect(home.open(file)).rejects.toMatchObject({ code: 'BAD_STATE' })
    const other = await empty(kind, passing)
    await other.open(file)
    await other.start()
    await other.feed([{ topic: 'in', key: 'y', value: 6, timestamp: 9, partition: 1 }])
    expect(await written(other)).toEqual(['y: 6 @9'])
    await other.app.stop()
  })

  test('what only passes through an exchange there goes on behind what had passed', async () => {
    const passing = (app: App) => {
      const input = app.stream<number>('in', { value: json() })
      app.run(
        'through',
        input.pipe(
          keyBy(({ value }) => `${value}`, { name: 'by' }),
          toTopic('out'),
        ),
      )
    }
    const file = await counted(passing)
    const home = await empty(kind, passing)
    await home.start()
    await home.feed([7, 8].map((value) => ({ topic: 'in', key: 'x', value, timestamp: 9, partition: 0 })))
    await home.app.stop()
    await home.open(file, { replace: true })
    const before = await written(home)
    await home.start()
    await home.feed([{ topic: 'in', key: 'y', value: 6, timestamp: 9, partition: 1 }])
    // Two that had come to this topic behind the file's places, and one that comes now.
    expect(await written(home)).toEqual([...before, '6: 6 @9', '7: 7 @9', '8: 8 @9'].sort())
    await home.app.stop()
    expect(home.errors).toEqual([])
  })

  test('what only this plan reads begins at its start, and not with what had been on its way', async () => {
    const file = await counted()
    const more = (app: App) => {
      counts(app)
      const extra = app.stream<number>('extra', { value: json() })
      app.run(
        'extra',
        extra.pipe(
          keyBy(({ value }) => `${value}`, { name: 'late' }),
          toTopic('out'),
        ),
      )
    }
    const home = await empty(kind, more, { ...TWO, extra: 1 })
    await home.start()
    await home.feed([7, 8].map((value) => ({ topic: 'extra', key: 'x', value, timestamp: 9 })))
    await home.app.stop()
    await home.open(file, { replace: true })
    const before = await written(home)
    await home.start()
    await home.app.settle()
    expect(await written(home)).toEqual([...before, '7: 7 @9', '8: 8 @9'].sort())
    await home.app.stop()
  })

  test('of tasks that the file knows nothing of, nothing comes back, be it from the store of another process', async () => {
    const even = new Resident('changelogs', counts, TWO)
    await even.createTopics()
    await even.start()
    await even.send([{ topic: 'in', key: 'k', value: 2, timestamp: 1, partition: 0 }])
    await even.app.settle({ checkpoint: false })
    const file = await even.write()
    await even.app.stop()
    // Nothing had come to partition 1, nor yet to where it is counted.
    expect(linesOf(file).filter((line) => 'plan' in line)).toHaveLength(1)
    const home = new Resident(kind, counts, TWO)
    await home.createTopics()
    await home.start()
    await home.feed([
      { topic: 'in', key: 'k', value: 2, timestamp: 1, partition: 0 },
      ...[1, 1, 1].map((value) => ({ topic: 'in', key: 'k', value, timestamp: 1, partition: 1 })),
    ])
    await home.app.stop()
    await home.open(file, { replace: true }, kind === 'changelogs' ? { instance: 'another' } : {})
    const before = (await written(home)).length
    await home.start()
    await home.app.settle()
    expect(before).toBe(4)
    expect(await written(home)).toEqual(
      ['0: 1', '1: 1', '1: 2', '1: 3'].flatMap((text) => [`${text} @1`, `${text} @1`]),
    )
    await home.feed([{ topic: 'in', key: 'k', value: 2, timestamp: 1, partition: 0 }])
    expect(await written(home)).toContain('0: 2 @1')
    await home.app.stop()
    expect(home.errors).toEqual([])
  })

  test('where it can’t be written, nothing of it is there, and it can be opened again', async () => {
    const file = await counted()
    const home = await empty(kind)
    const { broker, store } = home.home
    const refuse = async () => {
      throw new TidemarkError('STORE_FAILED', 'no room')
    }
    const transactionalProducer: Broker['transactionalProducer'] = async (id) => {
      const producer = await broker.transactionalProducer(id)
      const begin = async () => {
        const transaction = await producer.begin()
        return {
          send: (records: readonly OutRecord[]) => transaction.send(records),
          sendOffsets: (group: string, positions: readonly Position[]) => transaction.sendOffsets(group, positions),
          commit: () => transaction.abort().then(refuse),
          abort: () => transaction.abort(),
        }
      }
      return { begin, close: () => producer.close() }
    }
    if (broker.store === store) {
      const { commit } = store
      store.commit = (changes, along) =>
        changes.some(({ scope }) => scope.startsWith('task/')) ? refuse() : commit(changes, along)
      await expect(home.open(file)).rejects.toMatchObject({ code: 'STORE_FAILED' })
      store.commit = commit
    } else
      await expect(
        home.open(
          file,
          {},
          { broker: Object.create(broker, { transactionalProducer: { value: transactionalProducer } }) },
        ),
      ).rejects.toMatchObject({ code: 'STORE_FAILED' })
    expect(await broker.committed('test', ['in'])).toEqual([])
    await home.open(file)
    await home.start()
    await home.feed([{ topic: 'in', key: 'y', value: 3, timestamp: 9, partition: 1 }])
    expect(await written(home)).toEqual(['1: 3 @9'])
    await home.app.stop()
  })

  test('a plan that does not fit is refused as at an upgrade, and one that fits after a migration goes on', async () => {
    const file = await counted()
    const other = (version?: number) => (app: App) =>
      app.run(
        'n',
        app.stream<number>('in', { value: json() }).pipe(
          keyBy(({ value }) => `${value % 2}`, { name: 'by' }),
          aggregate(
            { n: count(), sum: sum((one: StreamRecord<string, number>) => one.value) },
            { name: 'n', ...(version && { version, migrate: (n: number) => [n, 100] }) },
          ),
          toTopic('out', { value: json() }),
        ),
      )
    const refused = await empty(kind, other())
    await expect(refused.open(file)).rejects.toMatchObject({
      code: 'PLAN_MISMATCH',
      reason: expect.stringContaining('n is incompatible'),
    })
    await expectEmpty(refused)
    const home = await empty(kind, other(2))
    await home.open(file)
    await home.start()
    await home.app.settle()
    await home.feed([{ topic: 'in', key: 'y', value: 3, timestamp: 9, partition: 0 }])
    expect(await written(home)).toEqual(['1: {"n":3,"sum":103} @9'])
    await home.app.stop()
  })

  test('a state that is new behind a new exchange is refused', async () => {
    const file = await counted()
    const home = await empty(kind, (app) => {
      counts(app)
      const more = app.stream<number>('in', { value: json() }).pipe(
        keyBy(({ value }) => `${value}`, { name: 'more' }),
        aggregate(count(), { name: 'more' }),
      )
      app.run('more', more)
    })
    await expect(home.open(file)).rejects.toMatchObject({
      code: 'PLAN_MISMATCH',
      reason: expect.stringContaining('more is new'),
    })
    await expectEmpty(home)
  })

  test('topics that do not hold what comes next, or have other partitions, are refused', async () => {
    const file = await counted()
    const short = new Resident(kind, counts, TWO)
    await short.createTopics()
    await expect(short.open(file)).rejects.toMatchObject({
      code: 'OFFSET_OUT_OF_RANGE',
      place: { topic: 'in', partition: 0, offset: 1 },
    })
    await expectEmpty(short)
    const wide = await empty(kind, counts, { in: 3, out: 2 })
    await expect(wide.open(file)).rejects.toMatchObject({
      code: 'PLAN_MISMATCH',
      reason: expect.stringContaining('3 partitions here, and had 2'),
    })
    await expectEmpty(wide)
  })

  test('where there are no topics they can be made, and go on at the same offsets', async () => {
    const file = await counted()
    const home = new Resident(kind, counts, TWO)
    await home.home.broker.connect()
    await expect(home.open(file)).rejects.toMatchObject({ code: 'UNKNOWN_TOPIC' })
    await home.open(file, { createTopics: true })
    expect(await home.home.broker.ranges('in')).toEqual([
      { start: 1, end: 1 },
      { start: 2, end: 2 },
    ])
    await home.start()
    await home.feed([{ topic: 'in', key: 'y', value: 3, timestamp: 9, partition: 1 }])
    expect(await written(home)).toEqual(['1: 3 @9'])
    expect((await home.topics.records('in')).map(({ partition, offset }) => [partition, offset])).toEqual([[1, 2]])
    await home.app.stop()
    expect(home.errors).toEqual([])
  })
})

/** As if nobody had tried. */
async function expectEmpty({ home }: Resident): Promise<void> {
  expect([...(await home.broker.topics()).keys()].filter((topic) => topic.startsWith('test-'))).toEqual([])
  expect(await home.broker.committed('test', ['in'])).toEqual([])
}

test.each<Kind>(['topics and state in one store', 'the store alone'])(
  'a state that no operator has any more comes along, and goes on where one has it again, if it has missed nothing: %s',
  async (kind) => {
    const both = (app: App) => {
      const keyed = app
        .stream<number>('in', { value: json() })
        .pipe(keyBy(({ value }) => `${value % 2}`, { name: 'by' }))
      app.run('n', keyed.pipe(aggregate(count(), { name: 'n' })))
      app.run('m', keyed.pipe(aggregate(count(), { name: 'm' }), toTopic('out')))
    }
    const one = (app: App) => {
      const keyed = app
        .stream<number>('in', { value: json() })
        .pipe(keyBy(({ value }) => `${value % 2}`, { name: 'by' }))
      app.run('n', keyed.pipe(aggregate(count(), { name: 'n' })))
    }
    const without = async (more: readonly (typeof INPUTS)[number][]) => {
      const home = new Resident('topics and state in one store', both, TWO)
      await home.createTopics()
      await home.start()
      await home.feed(INPUTS)
      await home.app.stop()
      home.pipeline = one
      await home.start()
      await home.feed(more)
      await home.app.stop()
      return home.write(home.unstarted())
    }
    const home = await empty(kind, both)
    const more = { topic: 'in', key: 'k', value: 1, timestamp: 9, partition: 1 }
    const late = await empty(kind, both)
    await late.send([more])
    await expect(late.open(await without([more]))).rejects.toMatchObject({
      code: 'PLAN_MISMATCH',
      reason: expect.stringContaining('m is incompatible: it was left out'),
    })
    await home.open(await without([]))
    await home.start()
    await home.feed([more])
    expect(await written(home)).toEqual(['1: 3 @9'])
    await home.app.stop()
  },
)

test('only before the start, and only the file of that app', async () => {
  const file = await counted()
  const home = await empty('the store alone')
  await expect(home.open(file, {}, { id: 'another' })).rejects.toMatchObject({
    code: 'BAD_OPTION',
    reason: expect.stringContaining('of the app test'),
  })
  await home.start()
  await expect(openCheckpoint(home.app.app, file)).rejects.toMatchObject({ code: 'BAD_STATE' })
  await home.app.stop()
  await expect(writeCheckpoint(home.app.app)).rejects.toMatchObject({ code: 'BAD_STATE' })
})

test('a file needs all tasks in one process', async () => {
  const home = await empty('topics and state in one store')
  await home.start()
  await home.app.addMember()
  await expect(home.write()).rejects.toMatchObject({
    code: 'BAD_STATE',
    reason: expect.stringContaining('2 of 4 run in this process'),
  })
  await home.app.stop()
})

/** The lines of a file, sorted. */
function linesOf(file: Uint8Array): { state?: string; topic?: string }[] {
  return gunzipSync(file)
    .toString()
    .split('\n')
    .filter((line) => line !== '')
    .sort()
    .map((line) => JSON.parse(line))
}
