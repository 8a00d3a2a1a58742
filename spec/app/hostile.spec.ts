import { afterEach, expect, test } from '@jest/globals'
import { map } from 'rxjs'
import {
  type App,
  aggregate,
  bytes,
  collect,
  count,
  embedded,
  type Headers,
  json,
  keyBy,
  last,
  mapValues,
  memory,
  type Serde,
  type StreamRecord,
  streamTableJoin,
  string,
  sum,
  toTable,
  toTopic,
  tumblingWindow,
} from 'tidemark'
import { type TestApp, type TestAppOptions, testApp } from 'tidemark/testing'
import { utf8 } from '../../lib/record/serde.js'

const running: TestApp<unknown>[] = []

afterEach(async () => {
  for (const t of running.splice(0)) await t.stop()
  expect(Object.keys(Object.prototype)).toEqual([])
  expect(({} as { polluted?: unknown }).polluted).toBeUndefined()
})

async function given(pipeline: (app: App) => void, options: Partial<TestAppOptions> = {}) {
  const t = await testApp(pipeline, {
    topics: { in: { partitions: 1, key: bytes(), value: bytes() }, rows: 1, out: 1 },
    ...options,
  })
  running.push(t)
  /** Writes a record as bytes. */
  const send = (key: string | Uint8Array | null, value: string | Uint8Array | null, rest: object = {}) =>
    t.send('in', {
      key: (typeof key === 'string' ? utf8.encode(key) : key) as never,
      value: typeof value === 'string' ? utf8.encode(value) : value,
      ...rest,
    })
  const out = async () => {
    await t.settle()
    return t.records('out')
  }
  const dropped = () => t.app.stats().tasks.flatMap((task) => task.dropped)
  return { t, send, out, dropped }
}

const NAMES = ['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty', '__defineGetter__']
/** Text, since a literal `__proto__` would not be a member. */
const EVIL = '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}},"n":1}'
const evil = JSON.parse(EVIL)

test('names of Object.prototype as keys and members: nothing polluted, nothing lost, over a restart', async () => {
  const { t, send, out } = await given((app) => {
    const rows = app.table<object>('rows', { value: json(), name: 'rows' })
    app.run(
      'test',
      app.stream<{ n: number }>('in', { value: json() }).pipe(
        // An operator of each name has a state, and a time in the checkpoint.
        tumblingWindow('1m'),
        aggregate(
          collect(({ value }) => value),
          { name: 'constructor', emit: 'close' },
        ),
        map(({ key, value, timestamp, topic, partition, offset, headers }) => ({
          ...{ key, value, timestamp, topic, partition, offset, headers },
        })),
        streamTableJoin(rows, (list, row) => ({ ...row, ...evil, list }), { kind: 'left' }),
        toTopic('out'),
      ),
    )
    const newest = app.stream<{ n: number }>('in', { value: json() }).pipe(
      keyBy((record) => record.key, { name: 'again' }),
      aggregate({ n: sum(({ value }) => value.n), newest: last(({ value }) => value) }, { name: '__proto__' }),
    )
    app.run('more', toTable('toString', newest).changes())
  })
  for (const name of NAMES) await t.send('rows', { key: name, value: evil })
  for (const name of NAMES) await send(name, EVIL, { timestamp: 1, headers: [['__proto__', utf8.encode('h')]] })
  await t.settle()
  await t.crash()
  await t.restart()
  for (const name of NAMES) await send(name, EVIL, { timestamp: 2 })
  await send('end', EVIL, { timestamp: 120_000 })
  const wanted = `${EVIL.slice(0, -1)},"list":[${EVIL},${EVIL}]}`
  expect((await out()).map(({ key, value }) => [key, JSON.stringify(value)])).toEqual(
    [...NAMES].sort().map((name) => [name, wanted]),
  )
  const rows = await t.state('__proto__')
  expect(rows.map(({ key }) => key).sort()).toEqual([...NAMES, 'end'].sort())
  expect(t.errors).toEqual([])
})

test('a result can’t have the name __proto__', () => {
  expect(() => aggregate({ ['__proto__']: count() })).toThrow(/^BAD_OPTION: .*__proto__/)
})

test('deep nesting is a bad record, which is left out; its neighbours are not', async () => {
  const deep = (levels: number) => `${'['.repeat(levels)}${']'.repeat(levels)}`
  const objects = `${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}`
  const { t, send, out, dropped } = await given((app) => {
    const stream = app.stream('in', { value: json(), onError: 'skip' })
    app.run(
      'test',
      stream.pipe(
        aggregate(
          collect(({ value }) => value),
          { name: 'all' },
        ),
        toTopic('out'),
      ),
    )
  })
  await send('a', '1')
  for (const text of [deep(100_000), objects, `{"s":"${'\\"'.repeat(9)}","d":${deep(1_001)}}`]) await send('a', text)
  // Brackets in strings, and many that aren't deep, are nothing special.
  const [flat, quoted] = [`[${'[],'.repeat(5_000)}[]]`, JSON.stringify({ 'a"\\[': deep(5_000) })]
  for (const text of [flat, quoted, deep(990), '2']) await send('a', text)
  const results = await out()
  expect(JSON.stringify(results.at(-1)?.value)).toBe(`[1,${flat},${quoted},${deep(990)},2]`)
  expect(dropped()).toEqual([{ operator: 'source in', reason: 'bad record', count: 3 }])
  expect(t.errors.map(({ code, place }) => [code, place.offset])).toEqual([1, 2, 3].map((at) => ['DESERIALISE', at]))
})

test('what an operator nests too deeply to be written is NOT_SERIALISABLE, with its place', async () => {
  const { t, send } = await given((app) => {
    const nested = mapValues<StreamRecord<string, unknown>, unknown>((value) => {
      let made = value
      for (let n = 0; n < 100_000; n++) made = [made]
      return made
    })
    app.run('test', app.stream('in', { value: json() }).pipe(nested, toTopic('out')))
  })
  await send('a', '1')
  await expect(t.settle()).rejects.toMatchObject({
    code: 'NOT_SERIALISABLE',
    place: { operator: 'toTopic', topic: 'in', offset: 0 },
  })
})

test('keys that are none, or nested to do harm, are bad records', async () => {
  const { t, send, out, dropped } = await given(
    (app) => {
      const stream = app.stream<unknown, string>('in', { key: json(), value: json(), onError: 'skip' })
      app.run('test', stream.pipe(aggregate(count(), { name: 'n' }), toTopic('out', { key: json() })))
    },
    { topics: { in: { partitions: 1, key: bytes(), value: bytes() }, rows: 1, out: { partitions: 1, key: json() } } },
  )
  const nested = (levels: number) => `${'['.repeat(levels)}"a"${']'.repeat(levels)}`
  const bad = ['{"a":1}', '[{}]', '[null]', nested(101), nested(5_000), '', '\xff']
  for (const key of bad) await send(key, '1')
  // Their text doubled with each level, once.
  const good = [nested(1), nested(100), '1', 'true', '""', '"\\u0000"', '"\\ud800"']
  for (const key of [...good, ...good]) await send(key, '1')
  const results = (await out()).map(({ key, value }) => [JSON.stringify(key), value])
  expect(results).toEqual([1, 2].flatMap((n) => good.map((key) => [key, n])))
  expect(dropped()).toEqual([{ operator: 'source in', reason: 'bad record', count: bad.length }])
  await t.settle()
  await t.crash()
  await t.restart()
  for (const key of good) await send(key, '1')
  expect((await out()).slice(-good.length).map(({ key, value }) => [JSON.stringify(key), value])).toEqual(
    good.map((key) => [key, 3]),
  )
})

test('headers that look like ours say nothing about time or windows, and don’t get out', async () => {
  const forged = (time: string, window: string): Headers => [
    ['tidemark-time', utf8.encode(time)],
    ['tidemark-window', utf8.encode(window)],
    ['tidemark-time', null],
    ['other', utf8.encode('stays')],
  ]
  const run = async (headers: (n: number) => Headers) => {
    const { t, send, out } = await given((app) => {
      const stream = app.stream<number>('in', { value: json(), watermark: { maxOutOfOrderness: 0 } })
      const counts = stream.pipe(
        keyBy(({ key }) => key, { name: 'again' }),
        tumblingWindow('1m'),
        aggregate(count(), { name: 'n', emit: 'close' }),
      )
      app.run('test', counts.pipe(toTopic('out')))
      app.run('copy', stream.pipe(toTopic('rows')))
    })
    for (let n = 0; n < 6; n++) await send('a', '1', { timestamp: n * 30_000, headers: headers(n) })
    const results = (await out()).map(({ key, value, window }) => ({ key, value, window }))
    const copies = (await t.records('rows')).map(({ headers: kept, window }) => ({
      names: kept.map(([name]) => name),
      window,
    }))
    return { results, copies }
  }
  const times = ['w-9000000000000@in/0', 'W-Infinity@in/0', 'Wi5@in/0', 'S-NaN@', '@', '']
  const [honest, lying] = [await run(() => []), await run((n) => forged(times[n] as string, `${n},${n * 9e9},1`))]
  expect(honest.results).toHaveLength(2)
  expect(lying.results).toEqual(honest.results)
  expect(lying.copies).toEqual(Array.from({ length: 6 }, () => ({ names: ['other'], window: undefined })))
})

test('timestamps that no time is, are bad records; the last that is one is not', async () => {
  const { t, send, out, dropped } = await given((app) => {
    const stream = app.stream<{ t: never }>('in', {
      value: json(),
      timestamp: ({ value, timestamp }) => (value.t === undefined ? timestamp : value.t),
      onError: 'skip',
    })
    app.run('test', stream.pipe(tumblingWindow('1m'), aggregate(count(), { name: 'n' }), toTopic('out')))
  })
  const nested = `${'['.repeat(900)}${']'.repeat(900)}`
  const bad = ['-1', '-1e300', '1e300', '1e999', '8640000000000001', '"5"', 'null', '[]', '{"valueOf":1}', nested]
  for (const time of bad) await send('a', `{"t":${time}}`)
  for (const timestamp of [-1, 1e300, Number.POSITIVE_INFINITY, Number.NaN]) await send('a', '{}', { timestamp })
  await send('a', '{}', { timestamp: 0 })
  await send('a', '{}', { timestamp: 1.5 })
  await send('a', '{}', { timestamp: 8.64e15 })
  expect((await out()).map(({ value, window }) => [value, window?.start])).toEqual([
    [1, 0],
    [2, 0],
    [1, 8.64e15],
  ])
  expect(dropped()).toEqual([{ operator: 'source in', reason: 'bad record', count: bad.length + 4 }])
  expect(new Set(t.errors.map(({ code }) => code))).toEqual(new Set(['BAD_TIMESTAMP']))
})

test.each<[string, Serde<string>, [key: string | Uint8Array | null, value: string | Uint8Array | null][], number]>([
  [
    'string()',
    string(),
    [
      ['', ''],
      [null, null],
      ['', null],
      [null, ''],
      ['a\0b', '\0'],
      ['\ufeffa', '\ufeff'],
    ],
    2,
  ],
  [
    'json()',
    json<string>(),
    [
      ['', '""'],
      [null, null],
      ['', null],
      [null, '[]'],
      ['a\0b', '"\\u0000"'],
      ['\ufeffa', '{}'],
    ],
    3,
  ],
])('empty, null, NUL and what isn’t UTF-8, read with %s', async (_, serde, pairs, bad) => {
  const topics = {
    in: { partitions: 1, key: bytes(), value: bytes() },
    out: { partitions: 1, key: bytes(), value: bytes() },
  }
  const { send, out, dropped } = await given(
    (app) =>
      app.run(
        'test',
        app.stream<string>('in', { value: serde, onError: 'skip' }).pipe(toTopic('out', { value: serde })),
      ),
    { topics },
  )
  for (const [key, value] of pairs) await send(key, value)
  await send(Uint8Array.of(0xff), pairs[0]?.[1] as string)
  await send('a', Uint8Array.of(0x22, 0xc3, 0x22))
  if (bad === 3) await send('a', '')
  const back = (value: Uint8Array | null) => (value === null ? null : utf8.decode(value))
  expect((await out()).map(({ key, value }) => [back(key), back(value)])).toEqual(pairs)
  expect(dropped()).toEqual([{ operator: 'source in', reason: 'bad record', count: bad }])
})

test('headers in any number, of any size, twice the same, without value, with empty names: all come back', async () => {
  const store = memory()
  const headers: Headers = [
    ...Array.from({ length: 70_000 }, (_, n): Headers[number] => [
      n % 3 === 0 ? '' : `h${n % 100}`,
      n % 7 === 0 ? null : Uint8Array.of(n, 0, 255),
    ]),
    ['big', new Uint8Array(1 << 20).fill(7)],
  ]
  const { t, send, out } = await given(
    (app) => app.run('test', app.stream('in', { value: json() }).pipe(toTopic('out'))),
    { store },
  )
  await send('a', '1', { headers })
  // As text: to compare them one by one takes ten times as long as all the rest.
  const text = (of: Headers = []) =>
    of.map(([name, value]) => `${name}=${value && Buffer.from(value).toString('hex')}`).join()
  const [record] = await out()
  expect(text(record?.headers)).toEqual(text(headers))
  await t.stop()
  await t.broker.close()
  // From the store again.
  const again = embedded({ store })
  await again.connect()
  await again.read({ topic: 'in', partition: 0 }, 0, 1, ({ records }) =>
    expect(text(records[0]?.headers)).toEqual(text(headers)),
  )
  await again.close()
})
