import { expect, test } from '@jest/globals'
import fc from 'fast-check'
import { map } from 'rxjs'
import {
  aggregate,
  bytes,
  collect,
  deadLetter,
  json,
  keyBy,
  last,
  mapAsync,
  mapValues,
  type StreamRecord,
  streamTableJoin,
  sum,
  toTopic,
  tumblingWindow,
} from 'tidemark'
import { testApp } from 'tidemark/testing'

interface Order {
  readonly user: string
  readonly amount: number
  readonly rate: { readonly of: number } | null
}

/** More than a run of all specs has time for: `FUZZ_RECORDS=100000 npm test -- badRecords.fuzz`. */
const RECORDS = Number(process.env.FUZZ_RECORDS ?? 1_500)
const SEED = Number(process.env.FUZZ_SEED ?? 1)
const CHUNK = 250

const user = fc.constantFrom('ann', 'bob', 'cid', '__proto__')
const good = fc.record({
  user,
  amount: fc.integer({ min: -9, max: 9 }),
  rate: fc.record({ of: fc.integer({ min: 1, max: 5 }) }),
})
const wrong = fc.oneof(
  fc.anything(),
  fc.json(),
  fc.record({
    user: fc.oneof(user, fc.anything()),
    amount: fc.oneof(fc.integer(), fc.anything()),
    rate: fc.constant(null),
  }),
  fc.record({ user, amount: fc.string(), rate: fc.record({ of: fc.integer() }) }),
  fc.record({ user, amount: fc.integer(), rate: fc.oneof(fc.constant(null), fc.record({ of: fc.constant(0) })) }),
)
const encoder = new TextEncoder()
const written = fc.oneof(
  { weight: 6, arbitrary: good.map((value) => encoder.encode(JSON.stringify(value))) },
  {
    weight: 2,
    arbitrary: wrong.map((value) =>
      encoder.encode(String(JSON.stringify(value, (_, v) => (typeof v === 'bigint' ? `${v}` : v)))),
    ),
  },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 40 }) },
  { weight: 1, arbitrary: fc.integer({ min: 10, max: 5_000 }).map((depth) => encoder.encode('['.repeat(depth))) },
)

/** Each place where a record can go wrong throws for some of them: before any state, in it and behind it, in plain code, in calls, in what is written. */
test(
  'whatever comes, each record is processed or a dead letter: never both, never neither',
  async () => {
    const t = await testApp(
      (app) => {
        const users = app.table<{ factor: number }>('users', { value: json() })
        const orders = app.stream<Order>('orders', { value: json() })
        const checked = orders.pipe(
          mapValues(({ user, amount, rate }) => {
            if (typeof amount !== 'number' && Math.abs(String(user).length) % 2 === 0) throw new TypeError('amount')
            return { user: `${user.toLowerCase()}`, amount, rate }
          }),
          keyBy((order) => order.value.user, { name: 'by-user' }),
        )
        const priced = checked.pipe(
          streamTableJoin(users, (order, row) => ({ ...order, factor: row?.factor ?? 1 }), { kind: 'left' }),
          mapAsync(
            async ({ value }) => {
              if (value.rate === null) throw new Error('no rate')
              return { ...value, rate: value.rate.of }
            },
            { name: 'rates' },
          ),
        )
        // In the sum wrong amounts go wrong half-way; behind it, in plain code, a rate of 0 does.
        const totals = priced.pipe(
          aggregate(
            { total: sum((order) => order.value.amount), rate: last((order) => order.value.rate) },
            { name: 'totals' },
          ),
          map((total) => {
            if (total.value.rate === 0) throw new RangeError('rate')
            return total
          }),
        )
        app.run('totals', totals)
        app.run(
          'seen',
          priced.pipe(
            tumblingWindow(1_000),
            aggregate(
              collect((order) => order.timestamp),
              { name: 'seen', emit: 'close' },
            ),
            toTopic('seen'),
          ),
        )
      },
      {
        topics: {
          orders: { partitions: 2, value: bytes() },
          users: { partitions: 2 },
          seen: 2,
          dead: { partitions: 2, value: bytes() },
        },
        onError: deadLetter('dead'),
      },
    )
    await t.send('users', [{ key: 'ann', value: { factor: 2 }, timestamp: 0 }])
    const values = fc.sample(written, { numRuns: RECORDS, seed: SEED })
    for (let from = 0; from < values.length; from += CHUNK) {
      await t.send(
        'orders',
        values
          .slice(from, from + CHUNK)
          .map((value, n) => ({ key: 'k', value, partition: n % 2, timestamp: 1 + from + n })),
      )
      await t.settle()
      if (from === CHUNK * 2) {
        await t.crash()
        await t.restart()
      }
    }
    // Closes all windows, in every task and for every key.
    const end = 10_000_000
    for (let partition = 0; partition < 2; partition++)
      for (const name of ['zoe', 'ann', 'eve', 'joe', 'sue', 'tom'])
        await t.send('orders', {
          key: 'k',
          value: encoder.encode(JSON.stringify({ user: name, amount: 1, rate: { of: 1 } })),
          partition,
          timestamp: end,
        })
    await t.settle()

    expect(t.app.stats().state).toBe('running')
    const processed = (await t.records('seen')).flatMap(({ value }) => value as number[])
    const letters = (await t.records('dead')) as StreamRecord<string, Uint8Array>[]
    const set = letters.map(({ timestamp }) => timestamp)
    expect([...processed, ...set].sort((a, b) => a - b)).toEqual(values.map((_, n) => n + 1))
    // All kinds are there; and what is set aside at the source is byte for byte what was written.
    expect(new Set(letters.map(({ headers }) => stageOf(headers)))).toEqual(
      new Set(['deserialise', 'process', 'async']),
    )
    for (const { headers, timestamp, value } of letters)
      if (stageOf(headers) === 'deserialise') expect(value).toEqual(values[timestamp - 1])
    expect(processed.length).toBeGreaterThan(RECORDS / 3)
    await t.stop()
  },
  60_000 + RECORDS * 50,
)

const stageOf = (headers: StreamRecord['headers']) =>
  new TextDecoder().decode(headers.find(([name]) => name === 'tidemark-error-stage')?.[1] ?? new Uint8Array())
