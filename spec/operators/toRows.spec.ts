import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import type { ClientBase, Pool } from 'pg'
import { type Observable, of } from 'rxjs'
import {
  type App,
  aggregate,
  type Clock,
  createApp,
  embedded,
  json,
  memory,
  peek,
  record,
  type StoreAdapter,
  type StreamRecord,
  sum,
  type TidemarkError,
  type TransactionalStore,
  toRows,
  tumblingWindow,
} from 'tidemark'
import { level } from 'tidemark/level'
import { postgres } from 'tidemark/postgres'
import { loadAll } from '../../lib/ports/loadAll.js'
import { systemClock } from '../../lib/ports/systemClock.js'
import { rawTopics } from '../app/raw.js'
import { describePostgres } from '../postgres/testPostgres.js'
import { expectDrawn } from '../testing/docstring.js'
import { until } from '../until.js'
import { Payments } from './payments.js'

type Payment = StreamRecord<string, number>
type PaymentStream = Observable<Payment>

describePostgres('toRows', (server) => {
  let pool: Pool
  let schema = ''
  let topics: Awaited<ReturnType<typeof rawTopics>>
  let store: TransactionalStore<ClientBase>
  let apps: App[] = []
  let tests = 0
  let takeCheckpoint = () => {}

  beforeAll(() => {
    pool = server().pool()
  })
  afterAll(() => pool.end())
  beforeEach(async () => {
    schema = `test ${tests++}`
    store = newStore()
    topics = await rawTopics({ in: 2 })
    await pool.query('DROP TABLE IF EXISTS written; CREATE TABLE written (value int, batch int)')
  })
  afterEach(async () => {
    for (const app of apps) await app.stop()
    apps = []
    await topics.broker.close()
  })

  const newStore = () => postgres({ connectionString: server().connectionString, schema })

  /** Takes checkpoints when it is told to. */
  const COMMIT_MS = 3_600_000
  const clock: Clock = {
    ...systemClock,
    after(ms, callback) {
      if (ms !== COMMIT_MS) return systemClock.after(ms, callback)
      takeCheckpoint = callback
      return () => {}
    },
  }

  function made(build: (payments: PaymentStream) => Observable<unknown>, given: StoreAdapter = store): App {
    const app = createApp({ id: 'rows', broker: topics.broker, store: given, clock, commitInterval: COMMIT_MS })
    app.run('rows', build(app.stream<number>('in', { value: json() })))
    apps.push(app)
    return app
  }

  async function started(build: (payments: PaymentStream) => Observable<unknown>): Promise<App> {
    const app = made(build)
    await app.start()
    return app
  }

  async function checkpoint(app: App): Promise<void> {
    const { checkpoints } = app.stats()
    takeCheckpoint()
    await until('a checkpoint', () => app.stats().checkpoints > checkpoints)
  }

  const send = (value: number, partition = 0) => topics.send({ topic: 'in', partition }, 'k', `${value}`)
  const isHandled = (app: App, records: number) =>
    until('the records to be handled', () => app.stats().tasks.reduce((all, task) => all + task.records, 0) === records)
  const written = async (): Promise<[value: number, batch: number][]> =>
    (await pool.query('SELECT value, batch FROM written ORDER BY batch, value')).rows.map((row) => [
      row.value,
      row.batch,
    ])

  /** Writes records one by one, and numbers its calls. */
  function rows(given = store) {
    let batch = 0
    return toRows(given, async (tx, records: readonly Payment[]) => {
      batch++
      for (const { value } of records) await tx.query('INSERT INTO written VALUES ($1, $2)', [value, batch])
    })
  }

  async function failureOf(app: App): Promise<TidemarkError> {
    let failure: TidemarkError | undefined
    app.errors$.subscribe((error) => {
      failure = error
    })
    takeCheckpoint()
    return until('the app to fail', () => failure)
  }

  test('the diagram in its docstring', async () => {
    expectDrawn('operators/toRows.ts', 'in    a--b--c--|--d--|', 'rows           abc   d', 'out   a--b--c-----d---')
    const out: number[] = []
    const app = await started((payments) =>
      payments.pipe(
        rows(),
        peek(({ value }) => out.push(value)),
      ),
    )
    for (const value of [1, 2, 3]) await send(value)
    await isHandled(app, 3)
    expect(out).toEqual([1, 2, 3])
    expect(await written()).toEqual([])
    await checkpoint(app)
    expect(await written()).toEqual([
      [1, 1],
      [2, 1],
      [3, 1],
    ])
    await send(4)
    await isHandled(app, 4)
    await checkpoint(app)
    expect(out).toEqual([1, 2, 3, 4])
    expect((await written()).at(-1)).toEqual([4, 2])
  })

  test('a checkpoint without records for it calls nobody, and stop takes one', async () => {
    let calls = 0
    const app = await started((payments) =>
      payments.pipe(
        aggregate(
          sum(({ value }) => value),
          { name: 'sums', emit: 'update' },
        ),
        toRows(store, async () => {
          calls++
        }),
      ),
    )
    await send(1)
    await isHandled(app, 1)
    await checkpoint(app)
    expect(calls).toBe(1)
    await send(2)
    await isHandled(app, 2)
    await app.stop()
    expect(calls).toBe(2)
    const again = await started((payments) =>
      payments.pipe(
        aggregate(
          sum(({ value }) => value),
          { name: 'sums' },
        ),
      ),
    )
    await send(3)
    await isHandled(again, 1)
    expect(calls).toBe(2)
  })

  test('each task calls it with its own records, and each of several writes, in their order', async () => {
    const calls: [sink: string, partitions: number[], values: number[]][] = []
    const sink = (name: string) =>
      toRows(store, async (_tx, records: readonly Payment[]) => {
        calls.push([name, [...new Set(records.map(({ partition }) => partition))], records.map(({ value }) => value)])
      })
    const app = await started((payments) => payments.pipe(sink('first'), sink('second')))
    for (const value of [1, 2, 3, 4]) await send(value, value % 2)
    await isHandled(app, 4)
    await checkpoint(app)
    await until('all four calls', () => calls.length === 4)
    expect(calls.sort()).toEqual([
      ['first', [0], [2, 4]],
      ['first', [1], [1, 3]],
      ['second', [0], [2, 4]],
      ['second', [1], [1, 3]],
    ])
  })

  test('any records and checkpoints, in two lives: each record is in the rows once, in the batch of its checkpoint', async () => {
    const batches = fc.array(fc.array(fc.nat(99), { maxLength: 4 }), { minLength: 1, maxLength: 4 })
    let run = 0
    await fc.assert(
      fc.asyncProperty(batches, batches, async (...lives) => {
        schema = `property ${run++}`
        topics = await rawTopics({ in: 1 })
        await pool.query('TRUNCATE written')
        const expected: [value: number, batch: number][] = []
        for (const life of lives) {
          store = newStore()
          const app = await started((payments) => payments.pipe(rows()))
          let sent = 0
          let calls = 0
          for (const batch of life) {
            for (const value of batch) await send(value)
            sent += batch.length
            await isHandled(app, sent)
            if (batch.length === 0) continue
            await checkpoint(app)
            calls++
            for (const value of batch) expected.push([value, calls])
          }
          await app.stop()
        }
        const order = ([value, batch]: [number, number]) => batch * 1_000 + value
        expect(await written()).toEqual(expected.sort((a, b) => order(a) - order(b)))
      }),
      { seed: 4, numRuns: 6 },
    )
  }, 60_000)

  describe('edges: if write throws', () => {
    test('nothing of the checkpoint is kept, the app fails, and the next one does it all once', async () => {
      let isBroken = true
      const build = (payments: PaymentStream) =>
        payments.pipe(
          rows(),
          aggregate(
            sum(({ value }) => value),
            { name: 'sums', emit: 'update' },
          ),
          toRows(store, async (tx, records) => {
            if (isBroken) throw new Error('no such customer')
            for (const { value } of records) await tx.query('INSERT INTO written VALUES ($1, 0)', [value])
          }),
        )
      const app = await started(build)
      for (const value of [1, 2, 3]) await send(value, 1)
      await isHandled(app, 3)
      const failure = await failureOf(app)
      expect(failure).toMatchObject({
        code: 'OPERATOR_FAILED',
        place: { app: 'rows', operator: 'toRows', partition: 1 },
        cause: { message: 'no such customer' },
      })
      expect(failure.message).toContain('no such customer (in the checkpoint in which task 0_1 writes 3 records')
      expect(await written()).toEqual([])
      await app.stop()
      isBroken = false
      store = newStore()
      const again = await started(build)
      await isHandled(again, 3)
      await checkpoint(again)
      expect(await written()).toEqual([
        [1, 0],
        [3, 0],
        [6, 0],
        [1, 1],
        [2, 1],
        [3, 1],
      ])
    })

    test('what the database says is its cause', async () => {
      const app = await started((payments) =>
        payments.pipe(
          toRows(store, async (tx) => {
            await tx.query('INSERT INTO missing VALUES (1)')
          }),
        ),
      )
      await send(1)
      await isHandled(app, 1)
      expect(await failureOf(app)).toMatchObject({ code: 'OPERATOR_FAILED', cause: { code: '42P01' } })
    })
  })

  test('a process that has lost its task writes neither state nor rows, and joins anew', async () => {
    const app = await started((payments) => payments.pipe(rows()))
    await send(1)
    await isHandled(app, 1)
    const other = newStore()
    await other.open('rows')
    await other.claim?.('task/rows/in/0')
    expect(await failureOf(app)).toMatchObject({ code: 'FENCED' })
    expect(await written()).toEqual([])
    expect(await other.scopes()).toEqual([])
    await other.close()
    await until('its task to begin anew', () => app.stats().state === 'running')
    await isHandled(app, 1)
    await checkpoint(app)
    expect(await written()).toEqual([[1, 1]])
  })

  test('rows decide where a task goes on, not the offsets of the group', async () => {
    const app = await started((payments) => payments.pipe(rows()))
    await send(1)
    await isHandled(app, 1)
    await app.stop()
    expect(await written()).toEqual([[1, 1]])
    // Another database, in which nothing of it is.
    schema = `${schema} anew`
    store = newStore()
    const anew = await started((payments) => payments.pipe(rows()))
    await isHandled(anew, 1)
    await checkpoint(anew)
    expect(await written()).toEqual([
      [1, 1],
      [1, 1],
    ])
  })

  test('members of an app share its state, whatever their instance names', async () => {
    const start = async (instance: string) => {
      const app = createApp({ id: 'rows', instance, broker: topics.broker, store: newStore() })
      const sums = aggregate(
        sum(({ value }: Payment) => value),
        { name: 'sums' },
      )
      app.run('sums', app.stream<number>('in', { value: json() }).pipe(sums))
      apps.push(app)
      await app.start()
      return app
    }
    const first = await start('first')
    for (const value of [1, 2, 3]) await send(value)
    await isHandled(first, 3)
    await first.stop()
    const second = await start('second')
    await send(4)
    await isHandled(second, 1)
    await second.stop()
    await store.open('rows')
    const entries = Array.from(await loadAll(store, 'task/rows/in/0'), ([key, value]) => [
      key,
      Buffer.from(value).toString(),
    ])
    await store.close()
    expect(entries.find(([key]) => key?.startsWith('s/sums/'))?.[1]).toContain('10')
  })

  test('when the connection ends in its function, the app goes on from the last checkpoint', async () => {
    let calls = 0
    const app = await started((payments) =>
      payments.pipe(
        toRows(store, async (tx, records) => {
          if (++calls === 1) {
            const { rows } = await tx.query('SELECT pg_backend_pid() AS pid')
            await pool.query('SELECT pg_terminate_backend($1)', [rows[0].pid])
          }
          for (const { value } of records) await tx.query('INSERT INTO written VALUES ($1, 0)', [value])
        }),
      ),
    )
    await send(1)
    await isHandled(app, 1)
    expect(await failureOf(app)).toMatchObject({ code: 'STORE_UNAVAILABLE', place: { app: 'rows' } })
    await until('its task to begin anew', () => app.stats().state === 'running')
    await isHandled(app, 1)
    await checkpoint(app)
    expect(await written()).toEqual([[1, 0]])
  })

  test('while the database is away the app waits, and each row is written once', async () => {
    const codes = new Set<string>()
    const app = createApp({ id: 'rows', broker: topics.broker, store, commitInterval: 5 })
    app.run('rows', app.stream<number>('in', { value: json() }).pipe(rows()))
    app.errors$.subscribe(({ code }) => codes.add(code))
    apps.push(app)
    await app.start()
    const values = Array.from({ length: 300 }, (_, n) => n)
    for (const value of values.slice(0, 150)) await send(value)
    await server().restart()
    for (const value of values.slice(150)) await send(value)
    await until('all rows', async () => (await written()).length >= values.length, 30_000)
    await app.stop()
    expect((await written()).map(([value]) => value).sort((a, b) => a - b)).toEqual(values)
    expect([...codes].filter((code) => code !== 'STORE_UNAVAILABLE')).toEqual([])
  }, 60_000)

  test('records wait in a bounded number: checkpoints are taken early', async () => {
    const sizes: number[] = []
    const app = await started((payments) =>
      payments.pipe(
        toRows(store, async (tx, records) => {
          sizes.push(records.length)
          await tx.query('INSERT INTO written SELECT n, 0 FROM generate_series(1, $1) n', [records.length])
        }),
      ),
    )
    const producer = await topics.broker.producer()
    const value = Buffer.from('1')
    const records = Array.from({ length: 100_000 }, () => ({
      topic: 'in',
      partition: 0,
      key: null,
      value,
      timestamp: 0,
      headers: [],
    }))
    await producer.send(records)
    await isHandled(app, records.length)
    await app.stop()
    expect(sizes.reduce((all, size) => all + size, 0)).toBe(records.length)
    expect((await written()).length).toBe(records.length)
    // What one slice adds to what waited.
    expect(Math.max(...sizes)).toBeLessThan(60_000)
    expect(sizes.length).toBeGreaterThan(2)
  }, 60_000)

  test('a process that is killed again and again writes each row once, and state agrees with rows', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'tidemark-rows-'))
    const payments = new Payments(pool, server().connectionString, 'payments', 2)
    try {
      const log = embedded({ store: level(folder, { exclusive: true }) })
      await log.connect()
      await log.createTopics([{ topic: payments.id, partitions: 2 }])
      await (await log.producer()).send(payments.next(4_000))
      await log.close()
      await payments.createTables()
      for (const share of [0.1, 0.25, 0.3, 0.55, 0.8, 1]) {
        const child = await payments.start(folder)
        await until('more rows', async () => (await payments.written()) >= share * payments.count, 60_000)
        await payments.kill(child)
      }
      await payments.expectExact()
      expect(new Set(payments.said)).toEqual(new Set(['running']))
    } finally {
      await payments.killAll()
      await rm(folder, { recursive: true, force: true })
    }
  }, 120_000)

  describe('is refused', () => {
    const write = async () => {}

    test.each([[memory()], [undefined], [{}]])('over a store without transactions', (given) => {
      expect(() => toRows(given as TransactionalStore<unknown>, write)).toThrow(
        'BAD_OPTION: toRows: the store must be one with transactions',
      )
    })

    test('without a function', () => {
      expect(() => toRows(store, 'INSERT' as never)).toThrow(
        'BAD_OPTION: toRows: write must be a function; got "INSERT"',
      )
    })

    test.each([
      ['memory', () => memory()],
      ['postgres other', () => postgres({ connectionString: server().connectionString, schema: 'other' })],
    ])('at start, if the app keeps its state elsewhere: %s', async (name, elsewhere) => {
      const app = made((payments) => payments.pipe(toRows(store, write)), elsewhere())
      await expect(app.start()).rejects.toMatchObject({
        code: 'BAD_OPTION',
        message: expect.stringContaining(
          `writes rows in the transaction of the checkpoints in postgres ${schema}, and the app keeps them in ${name}; pass that same store`,
        ),
        place: { app: 'rows', operator: 'toRows' },
      })
      apps = []
    })

    const outliving = () => Object.assign(Object.create(topics.broker), { durable: true })

    test('at start, if changelogs keep the state', async () => {
      const app = createApp({ id: 'rows', broker: outliving(), store: { ...store, shared: false } })
      app.run('rows', app.stream<number>('in', { value: json() }).pipe(toRows(store, write)))
      await expect(app.start()).rejects.toMatchObject({
        code: 'BAD_OPTION',
        message: expect.stringContaining('and the app keeps its state in changelogs; set changelog: false'),
      })
    })

    test('with changelogs, or exactly once on a broker: the database keeps the state', () => {
      const broker = outliving()
      expect(() => createApp({ id: 'rows', broker, store, changelog: true })).toThrow(
        `BAD_OPTION: createApp: changelog: every process finds the state in ${store.name}; leave it out`,
      )
      expect(() => createApp({ id: 'rows', broker, store, guarantee: 'exactly-once' })).toThrow(
        'BAD_OPTION: createApp: guarantee: exactly-once needs the state in the broker',
      )
    })

    test('outside an app', () => {
      const errors: unknown[] = []
      of(record('k', 1, 0))
        .pipe(toRows(store, write))
        .subscribe({ error: (error) => errors.push(error) })
      expect(errors).toMatchObject([
        {
          code: 'NOT_PLANNED',
          message: expect.stringContaining('writes to a topic or a database, which only an app can do'),
        },
      ])
    })

    test('between a window and its aggregate', async () => {
      const app = made((payments) => payments.pipe(tumblingWindow('1m'), toRows(store, write)))
      await expect(app.start()).rejects.toMatchObject({ code: 'LOST_WINDOW' })
      apps = []
    })
  })
})
