import { expect, jest, test } from '@jest/globals'
import fc from 'fast-check'
import { filter, map, type Observable } from 'rxjs'
import {
  type App,
  aggregate,
  bytes,
  collect,
  count,
  json,
  type Key,
  keyBy,
  type StreamRecord,
  sideOutput,
  streamStreamJoin,
  streamTableJoin,
  string,
  tableTableJoin,
  toTopic,
  tumblingWindow,
} from 'tidemark'
import { testApp } from 'tidemark/testing'
import { LEFT_OUT, leavesOut, leftOut } from './leftOut.js'
import { asJson, asKey, asText, type Format, type Reading, readings } from './reading.js'
import { type Given, given } from './records.js'

/** In all; `FUZZ_RECORDS=1000000 FUZZ_SEED=7 npm test -- spec/fuzz` tries more, and others. */
const RECORDS = Number(process.env.FUZZ_RECORDS ?? 100_000)
const SEED = Number(process.env.FUZZ_SEED ?? 20_261_130)
/** By app. */
const CHUNK = 5_000

jest.setTimeout(120_000 + RECORDS)

type Json = StreamRecord<string, { k?: unknown; t?: unknown } | null>

const TOPICS = ['orders', 'texts', 'left', 'right', 'rows', 'other-rows'] as const
const OUT = ['seen', 'windows', 'late', 'joined', 'enriched'] as const
/** Of records that come last, on each partition: later than all others that can be read. */
const LAST_MS = 8.6e15

const idOf = ({ topic, partition, offset }: StreamRecord) => `${topic}/${partition}/${offset}`

/** Takes what it is told for a number of ms, whatever that is. */
const timeOf = ({ value, timestamp }: { value: Json['value']; timestamp: number }) =>
  value?.t === undefined ? timestamp : (value.t as number)
/** The same, but so that no record of a join is late. */
const nearby = (record: { value: Json['value']; timestamp: number }) => {
  const time = timeOf(record)
  return typeof time === 'number' && time > 0 && time < LAST_MS ? time % 600_000 : time
}

let changes = 0

function pipeline(app: App): void {
  const write = (name: string, stream: Observable<StreamRecord<any, string>>, to: (typeof OUT)[number]) =>
    app.run(name, stream.pipe(toTopic(to, { key: json(), value: string() })))
  const seen = (name: string, stream: Observable<StreamRecord<any, any>>) =>
    write(`seen ${name}`, stream.pipe(map((record) => ({ ...record, key: null, value: idOf(record) }))), 'seen')

  // Serdes, windows.
  const orders = app.stream<Json['value']>('orders', {
    ...leavesOut,
    value: json(),
    timestamp: timeOf,
    watermark: { maxOutOfOrderness: '1m' },
  })
  const late = sideOutput<StreamRecord<string, string>>('late')
  const windows = orders.pipe(
    map((order) => ({ ...order, value: { k: order.value?.k, id: idOf(order) } })),
    filter(({ value }) => typeof value.k === 'string'),
    keyBy(({ value }) => value.k as string, { name: 'by-k' }),
    map((order) => ({ ...order, value: order.value.id })),
    tumblingWindow('1m', { late: late as never }),
    aggregate(
      collect(({ value }) => value),
      { name: 'windows', emit: 'close' },
    ),
    map((record) => ({ ...record, value: record.value.join() })),
  )
  seen('orders', orders)
  write('windows', windows as Observable<StreamRecord<string, string>>, 'windows')
  write('late', late, 'late')

  // Plain text, and JSON for keys: an aggregate and a table of it.
  const texts = app.stream<string, Key>('texts', { ...leavesOut, key: json(), value: string() })
  seen('texts', texts)
  app.run('counts', texts.pipe(aggregate(count(), { name: 'counts' })))

  // Joins, of which each record comes out: with a match, or alone.
  const side = (topic: string) =>
    app.stream<Json['value']>(topic, {
      ...leavesOut,
      value: json(),
      timestamp: nearby,
      watermark: { maxOutOfOrderness: '20m' },
    })
  const [left, right] = [side('left'), side('right')]
  seen('left', left)
  seen('right', right)
  const ids = (stream: typeof left) =>
    stream.pipe(map((record) => ({ ...record, value: record.value === null ? null : idOf(record) })))
  const joined = ids(left).pipe(
    streamStreamJoin(ids(right), (a, b) => `${a ?? ''},${b ?? ''}`, { name: 'joined', within: '1s', kind: 'outer' }),
  )
  write('joined', joined, 'joined')
  const row = { ...leavesOut, value: json<object>() }
  const rows = app.table('rows', { ...row, name: 'rows' })
  const enriched = ids(left).pipe(
    streamTableJoin(rows, (id, of) => ({ ...of, id }).id as string, { kind: 'left', name: 'enriched' } as never),
  )
  write('enriched', enriched as Observable<StreamRecord<any, string>>, 'enriched')
  const others = app.table('other-rows', { ...row, name: 'others' })
  const both = rows.pipe(tableTableJoin(others, (a, b) => ({ ...a, ...b }), { name: 'both', kind: 'outer' } as never))
  app.run('rows', both.changes())
  for (const table of [rows, others])
    app.run(
      `changes ${table === rows}`,
      table.changes().pipe(
        map((change) => {
          changes++
          return change as never
        }),
      ),
    )
}

const FORMATS: { readonly [Topic in (typeof TOPICS)[number]]: Format } = {
  orders: { key: asText, value: asJson, timeOf },
  texts: { key: asKey, value: asText },
  left: { key: asText, value: asJson, timeOf: nearby },
  right: { key: asText, value: asJson, timeOf: nearby },
  rows: { key: asText, value: asJson },
  'other-rows': { key: asText, value: asJson },
}

const idsOf = (list: readonly Reading[]) => list.map(({ id }) => id).sort()

/** Runs an app over records, and counts what has become of each. @returns how many were left out */
async function run(records: readonly Given[]): Promise<number> {
  changes = 0
  const topics = Object.fromEntries([
    ...TOPICS.map((topic) => [topic, { partitions: 2, key: bytes(), value: bytes() }] as const),
    ...OUT.map((topic) => [topic, { partitions: 2, key: json(), value: string() }] as const),
  ])
  const t = await testApp(pipeline, { topics })
  try {
    for (const [n, topic] of TOPICS.entries())
      await t.send(topic, records.filter((record) => record.topic === n) as never)
    await t.settle()
    // What comes last closes all windows, and leaves alone what no record of a join has met.
    const last = new TextEncoder().encode(`{"t":${LAST_MS}}`)
    for (const topic of ['orders', 'left', 'right'])
      await t.send(
        topic,
        [0, 1].map((partition) => ({ value: last, partition, timestamp: 0 })),
      )
    await t.settle()
    expect({ state: t.app.stats().state, error: t.errors.find(({ code }) => !LEFT_OUT.includes(code)) }).toEqual({
      state: 'running',
    })

    const read = new Map<string, readonly Reading[]>()
    for (const topic of TOPICS) read.set(topic, await readings(t, topic, FORMATS[topic]))
    const good = (...names: (typeof TOPICS)[number][]) =>
      names.flatMap((topic) => (read.get(topic) ?? []).filter(({ isBad }) => !isBad))
    const written = async (topic: (typeof OUT)[number]) => (await t.records(topic)).map(({ value }) => value as string)
    const dropped = (operator: string, reason: string) =>
      t.app
        .stats()
        .tasks.flatMap((task) => task.dropped)
        .filter((drop) => drop.operator === operator && drop.reason === reason)
        .reduce((sum, drop) => sum + drop.count, 0)

    // Of the sources: what can't be read is left out, all else is seen, each once.
    const bad = [...read.values()].flat().filter(({ isBad }) => isBad)
    expect((await leftOut(t)).sort()).toEqual(idsOf(bad))
    expect((await written('seen')).sort()).toEqual(idsOf(good('orders', 'texts', 'left', 'right')))
    const tableRows = good('rows', 'other-rows')
    expect(changes).toBe(tableRows.filter(({ key }) => key !== null).length)
    expect(dropped('rows', 'null key') + dropped('others', 'null key')).toBe(tableRows.length - changes)

    // Of windows: in one of them, or late, once.
    const inWindows = (await written('windows')).flatMap((ids) => ids.split(','))
    const late = await written('late')
    expect([...inWindows, ...late].sort()).toEqual(
      idsOf(good('orders').filter(({ value }) => typeof value?.k === 'string')),
    )
    expect(dropped('windows', 'late')).toBe(late.length)

    // Of an aggregate: counted under its key, or dropped.
    const counts = (await t.state('counts')).reduce((sum, { value }) => sum + (value as number), 0)
    const texts = good('texts')
    expect(counts).toBe(texts.filter(({ key, value }) => key !== null && value !== null).length)
    expect(dropped('counts', 'null key') + dropped('counts', 'null value')).toBe(texts.length - counts)

    // Of joins: with a match or alone, unless it has no value.
    const isValued = ({ value }: Reading) => value !== null
    const joined = new Set((await written('joined')).flatMap((pair) => pair.split(',')).filter((id) => id !== ''))
    expect([...joined].sort()).toEqual(idsOf(good('left', 'right').filter(isValued)))
    expect((await written('enriched')).sort()).toEqual(idsOf(good('left').filter(isValued)))

    expect(Object.keys(Object.prototype)).toEqual([])
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined()
    return bad.length
  } finally {
    await t.stop()
  }
}

/** The records themselves would fill a book. */
function reporter({ failed, seed, counterexamplePath, errorInstance }: fc.RunDetails<[Given[]]>): void {
  if (!failed) return
  const text = errorInstance instanceof Error ? errorInstance.message : String(errorInstance)
  throw new Error(`seed ${seed}, path ${counterexamplePath}: ${text.slice(0, 5_000)}`, { cause: errorInstance })
}

test(`${RECORDS} malformed records (seed ${SEED}): each is processed or left out, never both, never neither`, async () => {
  let tried = 0
  let out = 0
  const chunk = fc.array(given(TOPICS.length), { minLength: CHUNK, maxLength: CHUNK, size: 'max' })
  await fc.assert(
    fc.asyncProperty(chunk, async (records) => {
      out += await run(records)
      tried += records.length
    }),
    { seed: SEED, numRuns: Math.ceil(RECORDS / CHUNK), endOnFailure: true, reporter },
  )
  console.log(`${tried} records, ${out} left out`)
  expect(tried).toBeGreaterThanOrEqual(RECORDS)
  // Of both there are enough to say something.
  expect(out / tried).toBeGreaterThan(0.2)
  expect(out / tried).toBeLessThan(0.8)
})
