import { describe, expect, test } from '@jest/globals'
import { asapScheduler, map, type Observable, observeOn, tap } from 'rxjs'
import {
  type App,
  aggregate,
  collect,
  count,
  createApp,
  deadLetter,
  type ErrorPolicies,
  embedded,
  flatMap,
  json,
  keyBy,
  last,
  mapAsync,
  mapValues,
  memory,
  peek,
  process,
  retry,
  type StoreAdapter,
  type StreamRecord,
  string,
  sum,
  toTopic,
  tumblingWindow,
} from 'tidemark'
import { matchers, type TestApp, testApp, testClock } from 'tidemark/testing'
import { seenLater } from '../seenLater.js'
import { until } from '../until.js'
import { rawTopics } from './raw.js'

expect.extend(matchers)

type Numbers = Observable<StreamRecord<string, number>>

const text = (bytes: Uint8Array | null) => (bytes === null ? null : new TextDecoder().decode(bytes))
const utf8 = (value: string) => new TextEncoder().encode(value)

/** What a dead letter says, behind the record's own headers. */
const FACTS = [
  '__streams.errors.exception',
  '__streams.errors.message',
  '__streams.errors.topic',
  '__streams.errors.partition',
  '__streams.errors.offset',
  'tidemark-error-code',
  'tidemark-error-stage',
  'tidemark-error-operator',
  'tidemark-error-app',
]

const TOPICS = { in: { partitions: 2, value: string() }, out: 2, dead: { partitions: 2, value: string() } }

/** An app over numbers in the topic `in`, written as text. */
async function given(
  pipeline: (numbers: Numbers, app: App) => Observable<unknown>,
  onError: ErrorPolicies | undefined,
  options: { sourceOnError?: ErrorPolicies; watermark?: boolean } = {},
) {
  const { sourceOnError, watermark } = options
  let state = ''
  const t: TestApp<void> = await testApp(
    (app) => {
      app.state$.subscribe((now) => {
        state = now
      })
      const numbers = app.stream<number>('in', {
        value: json(),
        ...(sourceOnError !== undefined && { onError: sourceOnError }),
        ...(watermark && { watermark: { maxOutOfOrderness: 0 } }),
      })
      app.run('test', pipeline(numbers, app))
    },
    { topics: TOPICS, ...(onError !== undefined && { onError }) },
  )
  const send = async (...values: (number | string)[]) => {
    for (const value of values) await t.send('in', { key: 'k', value: `${value}`, partition: 0, timestamp: sent++ })
    await t.settle()
  }
  let sent = 1
  return {
    ...t,
    t,
    send,
    state: () => state,
    out: async () => (await t.records('out')).map(({ value }) => value),
    dead: async () => (await t.records('dead')).map(({ value }) => value),
    facts: async () =>
      (await t.records('dead')).map(({ headers }) =>
        Object.fromEntries(headers.map(([name, value]) => [name, text(value)])),
      ),
    dropped: () => t.app.stats().tasks.flatMap((task) => task.dropped),
  }
}

/** A store whose commits take a while: they are under way when a task goes back. */
const slowly = (store: StoreAdapter): StoreAdapter =>
  Object.assign(Object.create(store) as StoreAdapter, {
    async commit(changes: Parameters<StoreAdapter['commit']>[0]) {
      await new Promise((resolve) => setTimeout(resolve, 3))
      await store.commit(changes)
    },
  })

const odd = (n: number) => {
  if (n % 2 === 1) return n
  throw new RangeError(`${n} is even`)
}

describe('a record that cannot be read', () => {
  test('goes to the dead-letter topic byte for byte, with where and why behind its own headers', async () => {
    const { t, send, out, dropped } = await given((numbers) => numbers.pipe(toTopic('out')), deadLetter('dead'))
    const own = [
      ['trace', utf8('1')],
      ['trace', null],
    ] as const
    await t.send('in', { key: 'k', value: 'no {json', partition: 1, timestamp: 77, headers: own })
    await send(1)
    expect(await out()).toEqual([1])
    const [letter, ...others] = await t.records('dead')
    expect(others).toEqual([])
    expect(letter).toMatchObject({ key: 'k', value: 'no {json', partition: 1, timestamp: 77 })
    expect(letter?.headers.slice(0, 2)).toEqual(own)
    const facts = letter?.headers.slice(2).map(([name, value]) => [name, text(value)])
    expect(facts?.map(([name]) => name)).toEqual(FACTS)
    expect(Object.fromEntries(facts ?? [])).toMatchObject({
      '__streams.errors.exception': 'SyntaxError',
      '__streams.errors.message': expect.stringContaining("the value can't be read"),
      '__streams.errors.topic': 'in',
      '__streams.errors.partition': '1',
      '__streams.errors.offset': '0',
      'tidemark-error-code': 'DESERIALISE',
      'tidemark-error-stage': 'deserialise',
      'tidemark-error-operator': 'source in',
      'tidemark-error-app': 'test',
    })
    expect(t.errors).toMatchObject([{ code: 'DESERIALISE', place: { topic: 'in', partition: 1, offset: 0 } }])
    expect(dropped()).toEqual([{ operator: 'source in', reason: 'dead letter', count: 1 }])
    await t.stop()
  })

  test('has no time: what comes after it is not late', async () => {
    const pipeline = (numbers: Numbers) =>
      numbers.pipe(tumblingWindow(10), aggregate(collect(), { name: 'all', emit: 'close' }), toTopic('out'))
    const { t, send, out } = await given(pipeline, deadLetter('dead'), { watermark: true })
    await t.send('in', { key: 'k', value: 'x', partition: 0, timestamp: 1_000 })
    await t.send('in', { key: 'k', value: '1', partition: 1, timestamp: 1_000 })
    await send(1, 2)
    await t.send('in', { key: 'k', value: '9', partition: 0, timestamp: 1_000 })
    await t.settle()
    expect(await out()).toEqual([[1, 2]])
    await t.stop()
  })

  test.each([
    ['skip leaves it out of that source alone', 'skip' as const, ['n,1', 's,1', 's,one'], []],
    ['a dead letter is left out of both', deadLetter('dead'), ['n,1', 's,1'], ['"one"']],
  ])('of two sources over one topic by one of them: %s', async (_name, onError, seen, letters) => {
    const found: unknown[] = []
    const numeric = {
      ...json<number>(),
      deserialize: (bytes: Uint8Array) => {
        const value = json<unknown>().deserialize(bytes)
        if (typeof value !== 'number') throw new TypeError('no number')
        return value
      },
    }
    const t = await testApp(
      (app) => {
        app.run('s', app.stream('in', { value: json() }).pipe(peek(({ value }) => found.push(['s', value]))))
        app.run('n', app.stream('in', { value: numeric, onError }).pipe(peek(({ value }) => found.push(['n', value]))))
      },
      { topics: { in: 1, dead: { partitions: 1, value: string() } } },
    )
    await t.send('in', [
      { value: 'one', timestamp: 1 },
      { value: 1, timestamp: 2 },
    ])
    await t.settle()
    expect(found.map(String).sort()).toEqual(seen)
    expect((await t.records('dead')).map(({ value }) => value)).toEqual(letters)
    await t.stop()
  })
})

describe('an operator of ours that throws', () => {
  /** What has been done with the records before the bad one: more than once if the task went back. */
  const cases: [name: string, pipeline: (numbers: Numbers) => Observable<unknown>, goesBack: boolean][] = [
    ['before any state', (numbers) => numbers.pipe(mapValues(odd), toTopic('out')), false],
    [
      'in keyBy',
      (numbers) =>
        numbers.pipe(
          keyBy((n) => `all ${odd(n.value) % 1}`, { name: 'by' }),
          toTopic('out'),
        ),
      false,
    ],
    ['behind a sink that has written', (numbers) => numbers.pipe(toTopic('out'), mapValues(odd)), false],
    [
      'half-way through what it emits',
      (numbers) =>
        numbers.pipe(
          flatMap((n) => halves(n)),
          toTopic('out'),
        ),
      false,
    ],
    [
      'in the state, which it has already changed',
      (numbers) =>
        numbers.pipe(
          aggregate(
            {
              init: (): number[] => [],
              add: (all: number[], n: StreamRecord<string, number>) => {
                all.push(n.value)
                odd(n.value)
                return all
              },
              result: (all) => all.at(-1) as number,
            },
            { name: 'all' },
          ),
          toTopic('out'),
        ),
      true,
    ],
    [
      'behind the state',
      (numbers) =>
        numbers.pipe(
          aggregate(
            last((n) => n.value),
            { name: 'last' },
          ),
          mapValues((n) => odd(n as number)),
          toTopic('out'),
        ),
      true,
    ],
  ]
  function* halves(n: StreamRecord<string, number>) {
    yield n
    odd(n.value)
  }

  test.each(cases)('%s: the record is set aside, and nothing of it is left', async (_name, pipeline, goesBack) => {
    const seen: number[] = []
    const { t, send, out, dead, dropped, state } = await given(
      (numbers) => pipeline(numbers.pipe(peek(({ value }) => seen.push(value)))),
      deadLetter('dead'),
    )
    await send(1, 3, 4, 5, 6, 7)
    expect(await out()).toEqual([1, 3, 5, 7])
    expect(await dead()).toEqual(['4', '6'])
    expect(dropped()).toMatchObject([{ reason: 'dead letter', count: 2 }])
    expect(t.errors.map(({ code, place }) => [code, place.offset])).toEqual([
      ['OPERATOR_FAILED', 2],
      ['OPERATOR_FAILED', 4],
    ])
    // A task that goes back does again what came since its checkpoint, and nobody is told a second time.
    expect(seen).toEqual(goesBack ? [1, 3, 4, 1, 3, 5, 6, 1, 3, 5, 7] : [1, 3, 4, 5, 6, 7])
    await t.crash()
    await t.restart()
    await send(8, 9)
    expect(state()).toBe('running')
    expect(await out()).toEqual([1, 3, 5, 7, 9])
    expect(await dead()).toEqual(['4', '6', '8'])
    await t.stop()
  })

  test('what was set aside before the task went back is so again, and nobody hears of it twice', async () => {
    const { t, send, out, dead, dropped } = await given(
      (numbers) =>
        numbers.pipe(
          mapValues((n) => (n === 2 ? odd(n) : n)),
          aggregate(
            last((n) => odd(n.value)),
            { name: 'last' },
          ),
          toTopic('out'),
        ),
      deadLetter('dead'),
    )
    await send(1, 'x', 2, 3, 4, 5, 6)
    expect(await out()).toEqual([1, 3, 5])
    expect(await dead()).toEqual(['x', '2', '4', '6'])
    expect(t.errors).toHaveLength(4)
    expect(dropped()).toEqual([
      { operator: 'source in', reason: 'dead letter', count: 1 },
      { operator: 'mapValues', reason: 'dead letter', count: 1 },
      { operator: 'last', reason: 'dead letter', count: 2 },
    ])
    await t.stop()
  })

  test.each([
    ['at once', memory()],
    ['slowly', slowly(memory())],
  ])('while checkpoints come as they like, %s: nothing is lost, twice, or told twice', async (_name, store) => {
    const topics = await rawTopics({ in: 4, out: 1 }, embedded({ store }))
    const app = createApp({
      id: 'often',
      broker: topics.broker,
      store,
      commitInterval: 1,
      slice: 1,
      onError: deadLetter('dead'),
    })
    const errors: unknown[] = []
    app.errors$.subscribe((error) => errors.push(error))
    const numbers = app.stream<number>('in', { value: json(), watermark: { maxOutOfOrderness: 0 } })
    app.run(
      'windows',
      numbers.pipe(
        tumblingWindow(2),
        aggregate(
          collect((n) => (n.value % 7 === 0 ? odd(0) : n.value)),
          { name: 'all', emit: 'close' },
        ),
        toTopic('out'),
      ),
    )
    await app.start()
    const values = Array.from({ length: 400 }, (_, n) => n)
    for (const value of values)
      await topics.send({ topic: 'in', partition: value % 4 }, `${value % 4}`, `${value}`, value)
    // Closes the windows.
    for (let partition = 0; partition < 4; partition++)
      await topics.send({ topic: 'in', partition }, `${partition}`, '1', 10_000)
    const bad = values.filter((value) => value % 7 === 0)
    const good = values.filter((value) => value % 7 !== 0)
    const seen = async () => (await topics.read('out')).flatMap(({ value }) => JSON.parse(value as string) as number[])
    await until('all good ones', async () => (await seen()).length >= good.length)
    await until('all letters', async () => (await topics.read('dead')).length >= bad.length)
    await app.stop()
    expect((await seen()).sort((a, b) => a - b)).toEqual(good)
    expect((await topics.read('dead')).map(({ value }) => Number(value)).sort((a, b) => a - b)).toEqual(bad)
    expect(errors).toHaveLength(bad.length)
  })

  test('in one of several branches: the others have none of it either', async () => {
    const { t, send, out, dead } = await given((numbers, app) => {
      app.run('counts', numbers.pipe(aggregate(count(), { name: 'n' }), toTopic('out')))
      return numbers.pipe(mapValues(odd))
    }, deadLetter('dead'))
    await send(1, 2, 3)
    expect(await out()).toEqual([1, 2])
    expect(await dead()).toEqual(['2'])
    expect(await t.state('n')).toMatchObject([{ value: 2 }])
    await t.stop()
  })

  test('behind keyBy: the dead letter is the record of the internal topic', async () => {
    const { t, send, out, facts } = await given(
      (numbers) =>
        numbers.pipe(
          keyBy(() => 'all', { name: 'by' }),
          mapValues(odd),
          toTopic('out'),
        ),
      deadLetter('dead'),
    )
    await send(1, 2, 3)
    expect(await out()).toEqual([1, 3])
    expect(await facts()).toMatchObject([
      { '__streams.errors.topic': 'test-by-repartition', 'tidemark-error-operator': 'mapValues' },
    ])
    await t.stop()
  })

  test('with skip: nothing of it is left, and there is no letter', async () => {
    const { t, send, out, dead, dropped } = await given(
      (numbers) =>
        numbers.pipe(
          aggregate(
            sum((n) => odd(n.value)),
            { name: 'sum' },
          ),
          toTopic('out'),
        ),
      'skip',
    )
    await send(1, 2, 3)
    expect(await out()).toEqual([1, 4])
    expect(await dead()).toEqual([])
    expect(dropped()).toEqual([{ operator: 'sum', reason: 'bad record', count: 1 }])
    await t.stop()
  })

  test('its record counts for the time of its source, and for no other', async () => {
    const pipeline = (numbers: Numbers) =>
      numbers.pipe(
        mapValues(odd),
        tumblingWindow(10),
        aggregate(collect(), { name: 'all', emit: 'close' }),
        toTopic('out'),
      )
    // In stream time the window's time is that of the records that reach it.
    const plain = await given(pipeline, deadLetter('dead'))
    await plain.t.send('in', [
      { key: 'k', value: '2', partition: 0, timestamp: 1_000 },
      { key: 'k', value: '1', partition: 0, timestamp: 5 },
      { key: 'k', value: '3', partition: 0, timestamp: 12 },
    ])
    await plain.t.settle()
    expect(await plain.out()).toEqual([[1]])
    await plain.t.stop()
    // A watermark is measured before any filter.
    const marked = await given(pipeline, deadLetter('dead'), { watermark: true })
    await marked.t.send('in', [
      { key: 'k', value: '1', partition: 1, timestamp: 2_000 },
      { key: 'k', value: '1', partition: 0, timestamp: 5 },
      { key: 'k', value: '2', partition: 0, timestamp: 1_000 },
      { key: 'k', value: '3', partition: 0, timestamp: 12 },
    ])
    await marked.t.settle()
    expect(await marked.out()).toEqual([[1]])
    expect(marked.dropped()).toContainEqual({ operator: 'all', reason: 'late', count: 1 })
    await marked.t.stop()
  })
})

test('a task that goes back finds its last checkpoint though the broker shows it a moment later, and writes nothing twice', async () => {
  const clock = testClock()
  const { broker, see } = seenLater(embedded({ clock }))
  const counted = (app: App) =>
    app.run(
      'n',
      app.stream<number>('in', { value: json() }).pipe(
        aggregate(
          sum((one) => one.value),
          { name: 'n' },
        ),
        mapValues((total: number) => {
          if (total === 3) throw new Error('bad')
          return total
        }),
        toTopic('out'),
      ),
    )
  const t = await testApp(counted, {
    topics: { in: 1, out: 1 },
    clock,
    broker,
    store: memory(),
    changelog: true,
    onError: { process: 'skip' },
  })
  for (const value of [1, 1, 1, 4]) {
    await t.send('in', { key: 'k', value })
    await t.settle()
  }
  expect(t.errors).toMatchObject([{ code: 'OPERATOR_FAILED', place: { offset: 2 } }])
  await t.stop()
  await see()
  expect((await t.records('out')).map(({ value }) => value)).toEqual([1, 2, 6])
})

describe('a plain RxJS operator that throws', () => {
  test.each([
    [
      'map',
      (numbers: Numbers) =>
        numbers.pipe(
          map((n) => ({ ...n, value: odd(n.value) })),
          toTopic('out'),
        ),
    ],
    [
      'tap at the end',
      (numbers: Numbers) =>
        numbers.pipe(
          toTopic('out'),
          tap((n) => odd(n.value)),
        ),
    ],
    [
      'map behind state',
      (numbers: Numbers) =>
        numbers.pipe(
          process<StreamRecord<string, number>, StreamRecord<string, number>>(
            ({ value, emit }) => {
              const last = value<number>()
              return {
                record(n) {
                  last.put(n.value)
                  emit(n)
                },
              }
            },
            { name: 'last' },
          ),
          map((n) => ({ ...n, value: odd(n.value) })),
          toTopic('out'),
        ),
    ],
  ])('%s: the task is built anew without that record', async (_name, pipeline) => {
    const { t, send, out, dead, facts, state } = await given(pipeline, deadLetter('dead'))
    await send(1, 2, 3, 4, 4, 5)
    expect(await out()).toEqual([1, 3, 5])
    expect(await dead()).toEqual(['2', '4', '4'])
    expect((await facts())[0]).toMatchObject({
      'tidemark-error-code': 'PIPELINE_ERROR',
      'tidemark-error-stage': 'process',
      '__streams.errors.exception': 'RangeError',
      '__streams.errors.message': expect.stringContaining('2 is even'),
    })
    expect(state()).toBe('running')
    expect(t.errors).toHaveLength(3)
    await t.stop()
  })
})

describe('a result that cannot be written', () => {
  const unwritable = (numbers: Numbers) =>
    mapValues<StreamRecord<string, number>, unknown>((n) => (n % 2 === 1 ? n : Number.NaN))(numbers)

  test('is of the stage serialise, at toTopic', async () => {
    const { t, send, out, facts } = await given((numbers) => unwritable(numbers).pipe(toTopic('out') as never), {
      serialise: deadLetter('dead'),
    })
    await send(1, 2, 3)
    expect(await out()).toEqual([1, 3])
    expect(await facts()).toMatchObject([
      { 'tidemark-error-stage': 'serialise', 'tidemark-error-code': 'NOT_SERIALISABLE' },
    ])
    await t.stop()
  })

  test('and at an exchange; a sink may say otherwise', async () => {
    const pipeline = (numbers: Numbers) => unwritable(numbers).pipe(keyBy(() => 'all', { name: 'by' }) as never)
    const { t, send, facts } = await given(pipeline, { serialise: deadLetter('dead') })
    await send(1, 2)
    expect(await facts()).toMatchObject([{ 'tidemark-error-operator': 'by', 'tidemark-error-stage': 'serialise' }])
    await t.stop()
    const own = await given(
      (numbers) => unwritable(numbers).pipe(toTopic('out', { onError: 'skip' }) as never),
      deadLetter('dead'),
    )
    await own.send(1, 2, 3)
    expect(await own.out()).toEqual([1, 3])
    expect(await own.dead()).toEqual([])
    await own.t.stop()
  })
})

describe('retry', () => {
  test('tries again, later and later, while the task waits; then goes on with what follows', async () => {
    let failures = 3
    const at: number[] = []
    const { t, send, out, state } = await given(
      (numbers) =>
        numbers.pipe(
          peek(() => {
            at.push(t0())
            if (failures > 0 && failures-- > 0) throw new Error('not yet')
          }),
          toTopic('out'),
        ),
      retry({ times: 3, backoff: 100, jitter: 0 }),
    )
    const t0 = () => t.clock.now()
    await send(1, 2)
    expect(await out()).toEqual([])
    expect(t.app.stats().tasks[0]?.waitsFor).toBe('a record has gone wrong, and is tried again in 100 ms (retry)')
    await t.advance('1s')
    expect(at).toEqual([0, 100, 300, 700, 700])
    expect(await out()).toEqual([1, 2])
    expect(t.errors).toHaveLength(3)
    expect(state()).toBe('running')
    await t.stop()
  })

  test.each([
    ['before any state', (n: Numbers) => n.pipe(mapValues(odd), toTopic('out'))],
    [
      'in the state',
      (n: Numbers) =>
        n.pipe(
          aggregate(
            last((n) => odd(n.value)),
            { name: 'last' },
          ),
          toTopic('out'),
        ),
    ],
  ])('%s: gives up after so many times, and does then what it is told', async (_name, pipeline) => {
    const { t, send, out, dead } = await given(pipeline, retry({ times: 2, backoff: 10, orElse: deadLetter('dead') }))
    await send(1, 2, 3)
    await t.advance('1s')
    expect(await out()).toEqual([1, 3])
    expect(await dead()).toEqual(['2'])
    expect(t.errors).toHaveLength(3)
    await t.stop()
  })

  test.each<[string, (numbers: Numbers, tried: (n: number) => number) => Observable<unknown>]>([
    ['before any state', (n, tried) => n.pipe(mapValues(tried))],
    [
      'in the state',
      (n, tried) =>
        n.pipe(
          aggregate(
            last(({ value }) => tried(value)),
            { name: 'last' },
          ),
        ),
    ],
    ['by calls', (n, tried) => n.pipe(mapAsync(async ({ value }) => tried(value), { name: 'calls' }))],
  ])('%s: without end and with the shortest pauses, time has to pass for each', async (_name, pipeline) => {
    const at: number[] = []
    const tried = (n: number) => {
      at.push(t.clock.now())
      // Were time not to pass, there would be no end to it.
      if (at.length > 1_000) return n
      throw new RangeError(`${n}`)
    }
    const { t, send } = await given(
      (numbers) => pipeline(numbers, tried),
      retry({ times: Number.POSITIVE_INFINITY, backoff: 1, maxBackoff: 1, jitter: 1 }),
    )
    await send(1)
    expect(at).toEqual([0])
    await t.advance(20)
    expect(at).toEqual(Array.from({ length: 21 }, (_, ms) => ms))
    await t.stop()
  })
})

describe('what is told of a record', () => {
  const unread = 'the value can\'t be read: not JSON: "x"; repair the writer; onError at stage deserialise: '
  const threw = '2 is even; onError at stage process: '
  const DEAD = 'the record goes to the topic dead'

  test.each<[string, ErrorPolicies | undefined, (number | string)[], string[]]>([
    ['left out', 'skip', ['x', 2], [`${unread}the record is skipped`, `${threw}the record is skipped`]],
    ['set aside', deadLetter('dead'), ['x', 2], [unread + DEAD, threw + DEAD]],
    ['by its stage', { process: 'skip' }, [2, 'x'], [`${threw}the record is skipped`, `${unread}the app fails`]],
    ['at which the app fails by default', undefined, [2], [`${threw}the app fails`]],
    [
      'tried again in vain',
      retry({ times: 2, backoff: '1s', jitter: 0, orElse: deadLetter('dead') }),
      [2],
      [`${threw}it is tried again`, `${threw}it is tried again`, threw + DEAD],
    ],
  ])('that is %s', async (_name, onError, records, told) => {
    const { t } = await given((numbers) => numbers.pipe(mapValues(odd), toTopic('out')), onError)
    for (const value of records) await t.send('in', { value: `${value}`, partition: 0 })
    const failure = await t.advance('10s').catch((error) => error)
    expect(t.errors.map(({ reason }) => reason)).toEqual(told)
    expect(failure).toBe(told.at(-1)?.endsWith('the app fails') ? t.errors.at(-1) : undefined)
    const letters = (await t.records('dead')).map(({ headers }) => text(headers.at(1)?.[1] as Uint8Array))
    expect(letters).toHaveLength(told.filter((reason) => reason.endsWith(DEAD)).length)
    // There it lies: what has become of the record is plain.
    for (const message of letters) expect(message).not.toContain('onError')
    await t.stop()
  })

  test('that comes out by itself: no policy is spoken of', async () => {
    const late = (n: Numbers) =>
      n.pipe(
        tumblingWindow(2),
        aggregate(count(), { name: 'n', emit: 'close' }),
        mapValues((n) => odd(n + 1)),
      )
    const { t } = await given(late, undefined)
    await t.send(
      'in',
      [1, 2, 5].map((timestamp) => ({ key: 'k', value: '1', partition: 0, timestamp })),
    )
    await expect(t.settle()).rejects.toMatchObject({
      code: 'OPERATOR_FAILED',
      reason: expect.not.stringContaining('onError'),
    })
    await t.stop()
  })

  test.each([
    ['skip', 'the record is skipped'],
    ['fail', 'the app fails'],
  ] as const)('in a global table: %s', async (onError, fate) => {
    const t = await testApp(
      (app) => {
        app.globalTable('rows', { value: json(), onError })
        app.run('test', app.stream('in', { value: json() }))
      },
      { topics: { in: 1, rows: { partitions: 1, value: string() } } },
    )
    await t.send('rows', { key: 'k', value: 'x' })
    await t.settle().catch(() => {})
    expect(t.errors.map(({ reason }) => reason)).toEqual([unread + fate])
    await t.stop()
  })
})

describe('which policy counts', () => {
  test('by stage; a stage without one fails', async () => {
    const { t, send, state, out } = await given((numbers) => numbers.pipe(mapValues(odd), toTopic('out')), {
      process: 'skip',
    })
    await send(1, 2, 3)
    expect(await out()).toEqual([1, 3])
    await expect(send('x')).rejects.toMatchObject({ code: 'DESERIALISE' })
    expect(state()).toBe('failed')
    await t.stop()
  })

  test("the source's comes before the app's, for all that its records do", async () => {
    const { t, send, dead, out } = await given((numbers) => numbers.pipe(mapValues(odd), toTopic('out')), 'fail', {
      sourceOnError: { process: deadLetter('dead'), deserialise: 'skip' },
    })
    await send(1, 2, 'x', 3)
    expect(await out()).toEqual([1, 3])
    expect(await dead()).toEqual(['2'])
    await t.stop()
  })

  test.each([
    ['a mistake of the pipeline', (n: Numbers) => n.pipe(observeOn(asapScheduler), toTopic('out')), 'ASYNC_GAP'],
    [
      'what comes out by itself',
      (n: Numbers) =>
        n.pipe(
          tumblingWindow(2),
          aggregate(count(), { name: 'n', emit: 'close' }),
          mapValues((n) => odd(n + 1)),
        ),
      'OPERATOR_FAILED',
    ],
  ])('none for %s: the app fails', async (_name, pipeline, code) => {
    const { t, send, state, dead } = await given(pipeline, deadLetter('dead'))
    await expect(send(1, 2, 3, 4, 5)).rejects.toMatchObject({ code })
    expect(state()).toBe('failed')
    expect(await dead()).toEqual([])
    await t.stop()
  })
})

describe('the dead-letter topic', () => {
  test('is in the plan, and made if it is not there', async () => {
    const t = await testApp(
      (app) =>
        app.run('copy', app.stream('in', { value: json(), onError: deadLetter('in-dead') }).pipe(toTopic('out'))),
      { topics: { in: 3, out: 1 }, onError: { async: retry({ times: 1, orElse: deadLetter('dead') }) } },
    )
    expect(t.app.describe()).toContain('dead letters: dead, in-dead')
    expect(await t.broker.topics(['dead', 'in-dead'])).toEqual(
      new Map([
        ['dead', 3],
        ['in-dead', 3],
      ]),
    )
    await t.stop()
  })

  test('that is there keeps its partitions, though the source has more', async () => {
    const t = await testApp(
      (app) => app.run('copy', app.stream('in', { value: json(), onError: deadLetter('dead') }).pipe(toTopic('out'))),
      { topics: { in: { partitions: 3, value: string() }, out: 1, dead: { partitions: 1, value: string() } } },
    )
    for (const partition of [0, 1, 2]) await t.send('in', { key: 'k', value: `no {json ${partition}`, partition })
    await t.settle()
    expect((await t.records('dead')).map(({ partition, value }) => [partition, value]).sort()).toEqual([
      [0, 'no {json 0'],
      [0, 'no {json 1'],
      [0, 'no {json 2'],
    ])
    await t.stop()
  })

  test('is none that the source itself reads', async () => {
    const starting = testApp(
      (app) => app.run('copy', app.stream('in', { value: json(), onError: deadLetter('in') }).pipe(toTopic('out'))),
      { topics: { in: 1, out: 1 } },
    )
    await expect(starting).rejects.toMatchObject({ code: 'BAD_OPTION', place: { topic: 'in' } })
  })

  test.each([
    ['an empty one', ''],
    ['one with a space', 'a b'],
    ['one of 250 letters', 'x'.repeat(250)],
  ])('has no such name: %s', (_name, topic) => {
    expect(() => deadLetter(topic)).toThrow(/BAD_OPTION/)
  })
})
