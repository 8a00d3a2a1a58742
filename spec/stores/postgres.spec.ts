import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { inspect } from 'node:util'
import type pg from 'pg'
import { loadAll } from '../../lib/ports/loadAll.js'
import type { StoreAdapter } from '../../lib/ports/store.js'
import { postgres } from '../../lib/stores/postgres.js'
import { storeConformance } from '../../lib/testing/storeConformance.js'
import { describePostgres } from '../postgres/testPostgres.js'
import { until } from '../until.js'
import { assertLikeModel } from './storeModel.js'

const bytes = (text: string) => Buffer.from(text)
const put = (key: string, text: string) => [key, bytes(text)] as const

describePostgres('postgres', (server) => {
  let schemas = 0
  let pool: pg.Pool
  const children: ChildProcess[] = []
  const freshSchema = () => `schema ${schemas++}`
  const storeIn = (schema: string) => postgres({ connectionString: server().connectionString, schema })
  const options = {
    fresh: () => storeIn(freshSchema()),
    reopen: (closed: StoreAdapter) => storeIn(closed.name.slice('postgres '.length)),
  }

  beforeAll(() => {
    pool = server().pool()
  })
  afterAll(async () => {
    for (const child of children) child.kill('SIGKILL')
    await pool.end()
  })

  async function opened(schema = freshSchema()): Promise<ReturnType<typeof postgres>> {
    const store = storeIn(schema)
    await store.open('app')
    return store
  }

  async function contents(store: StoreAdapter, scope: string): Promise<[key: string, text: string][]> {
    return Array.from(await loadAll(store, scope), ([key, value]) => [key, Buffer.from(value).toString()])
  }

  describe('keeps the contract of a store', () => {
    for (const law of storeConformance(options)) test(law.name, law.run)
  })

  test(
    'holds what a map of maps does, after random commits, clears and restarts',
    () => assertLikeModel(options, 20),
    60_000,
  )

  test('is durable, shared, and takes rows along', () => {
    expect(storeIn('tidemark')).toMatchObject({
      name: 'postgres tidemark',
      durable: true,
      shared: true,
      transactions: {},
      claim: expect.any(Function),
    })
  })

  test('the transactions of two stores are not the same', () => {
    expect(storeIn('tidemark').transactions).not.toBe(storeIn('tidemark').transactions)
  })

  describe('its tables', () => {
    test.each(['a"b', '"; DROP TABLE x; --', 'Käse', 'select', '$1', "it's", 'a.b'])(
      'may be in a schema %j',
      async (schema) => {
        const store = await opened(schema)
        await store.commit([{ scope: "'; DROP TABLE x; --", entries: [put('"; --', 'kept')] }])
        expect(await contents(store, "'; DROP TABLE x; --")).toEqual([['"; --', 'kept']])
        await store.close()
        const { rows } = await pool.query('SELECT table_name FROM information_schema.tables WHERE table_schema = $1', [
          schema,
        ])
        expect(rows.map((row) => row.table_name).sort()).toEqual(['entries', 'scopes'])
      },
    )

    test.each(['', 'a\u0000', '\ud800', 'x'.repeat(64), 'é'.repeat(32), 5])('may not be in a schema %j', (schema) => {
      expect(() => storeIn(schema as string)).toThrow(
        'BAD_OPTION: postgres: the schema must be a name of 1 to 63 bytes',
      )
    })

    test('are made once, though many processes open at the same time', async () => {
      const schema = freshSchema()
      const stores = Array.from({ length: 8 }, () => storeIn(schema))
      await Promise.all(stores.map((store) => store.open('app')))
      await Promise.all(stores.map((store, n) => store.commit([{ scope: `${n}`, entries: [put('a', '')] }])))
      expect((await stores[0]?.scopes())?.length).toBe(8)
      await Promise.all(stores.map((store) => store.close()))
    })

    test('are used by who may not make any', async () => {
      const schema = freshSchema()
      await (await opened(schema)).close()
      await pool.query(`CREATE ROLE guest LOGIN PASSWORD 'guest'`)
      await pool.query(
        `GRANT USAGE ON SCHEMA "${schema}" TO guest; GRANT ALL ON ALL TABLES IN SCHEMA "${schema}" TO guest`,
      )
      const guest = postgres({ connectionString: `postgres://guest:guest@127.0.0.1:${server().port}/postgres`, schema })
      await guest.open('app')
      await guest.commit([{ scope: 's', entries: [put('a', 'by a guest')] }])
      expect(await contents(guest, 's')).toEqual([['a', 'by a guest']])
      await guest.close()
      const stranger = postgres({
        connectionString: `postgres://guest:guest@127.0.0.1:${server().port}/postgres`,
        schema: freshSchema(),
      })
      await expect(stranger.open('app')).rejects.toMatchObject({ code: 'STORE_FAILED', cause: { code: '42501' } })
    })
  })

  describe('its connections', () => {
    test.each([[{}], [{ connectionString: 'postgres://localhost', pool: {} as pg.Pool }]])(
      'are of the store or of the caller: %j is refused',
      (given) => {
        expect(() => postgres(given)).toThrow('BAD_OPTION: postgres: give either a connectionString or a pool')
      },
    )

    test("a caller's pool stays theirs", async () => {
      const store = postgres({ pool, schema: freshSchema() })
      await store.open('app')
      await store.commit([{ scope: 's', entries: [put('a', 'kept')] }])
      expect(await contents(store, 's')).toEqual([['a', 'kept']])
      await store.close()
      expect((await pool.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }])
    })

    test('none of its own are left when it is closed', async () => {
      const store = await opened()
      const mine = `SELECT count(*)::int AS count FROM pg_stat_activity WHERE application_name = 'tidemark'`
      expect((await pool.query(mine)).rows[0].count).toBeGreaterThan(0)
      await store.close()
      await until('its connections to end', async () => (await pool.query(mine)).rows[0].count === 0)
    })

    test('a password is in no name, message, cause or property', async () => {
      const secret = 'open-sesame'
      const { port } = server()
      const strings = [
        `postgres://tidemark:${secret}@127.0.0.1:${port}/postgres`,
        `postgres://tidemark:${secret}@127.0.0.1:1/postgres`,
        `postgres://tidemark:${secret}@localhost:1/postgres`,
        `postgres://tidemark:${server().password}@127.0.0.1:${port}/${secret.slice(0, 4)}`,
      ]
      for (const connectionString of strings) {
        const store = postgres({ connectionString })
        const error = await store.open('app').then(
          () => undefined,
          (reason) => reason,
        )
        expect(error).toMatchObject({ code: connectionString.includes(':1/') ? 'STORE_UNAVAILABLE' : 'STORE_FAILED' })
        expect(error.message).toMatch(/postgres tidemark: .{10}/)
        for (const shown of [error, store]) {
          const text = inspect(shown, { depth: 20, showHidden: true })
          expect(text).not.toContain(secret)
          expect(text).not.toContain(server().password)
        }
      }
      for (const connectionString of [
        `postgres://tidemark:${secret}@[bad/postgres`,
        `postgres://u:${secret}@h:notaport/db`,
      ]) {
        let error: unknown
        try {
          postgres({ connectionString })
        } catch (thrown) {
          error = thrown
        }
        expect(error).toMatchObject({ code: 'BAD_OPTION' })
        expect(inspect(error, { depth: 20, showHidden: true })).not.toContain(secret)
      }
    })

    test.each(['', 5, null])('a connection string %j is refused', (connectionString) => {
      expect(() => postgres({ connectionString: connectionString as string })).toThrow('BAD_OPTION: postgres:')
    })
  })

  describe('a commit', () => {
    test('of 100,000 entries is one, and comes back', async () => {
      const store = await opened()
      const entries = (text: string) => Array.from({ length: 100_000 }, (_, i) => put(`key ${i}`, `${text} ${i}`))
      await store.commit([{ scope: 's', entries: entries('first') }])
      await store.commit([
        {
          scope: 's',
          entries: [
            ...entries('second'),
            ...entries('first')
              .slice(0, 30_000)
              .map(([key]) => [key, null] as const),
          ],
        },
      ])
      const found = new Map(await contents(store, 's'))
      expect(found.size).toBe(70_000)
      expect(found.get('key 30000')).toBe('second 30000')
      expect(found.get('key 99999')).toBe('second 99999')
      await store.close()
    }, 60_000)

    test('takes rows along', async () => {
      await pool.query('CREATE TABLE taken (n int PRIMARY KEY)')
      const store = await opened()
      await store.commit([{ scope: 's', entries: [put('a', 'kept')] }], async (client) => {
        await client.query('INSERT INTO taken VALUES (1), (2)')
        expect((await pool.query('SELECT * FROM taken')).rows).toEqual([])
      })
      expect((await pool.query('SELECT * FROM taken ORDER BY n')).rows).toEqual([{ n: 1 }, { n: 2 }])

      const twice = store.commit([{ scope: 's', entries: [put('a', 'half')] }], async (client) => {
        await client.query('INSERT INTO taken VALUES (3)')
        await client.query('INSERT INTO taken VALUES (1)')
      })
      await expect(twice).rejects.toMatchObject({ code: 'STORE_FAILED', cause: { code: '23505' } })
      expect((await pool.query('SELECT * FROM taken')).rows).toHaveLength(2)
      expect(await contents(store, 's')).toEqual([['a', 'kept']])
      await store.close()
    })

    test('whose rows failed without a word is not kept in part', async () => {
      const store = await opened()
      const silent = store.commit([{ scope: 's', entries: [put('a', 'half')] }], async (client) => {
        await client.query('SELECT 1 / 0').catch(() => {})
      })
      await expect(silent).rejects.toMatchObject({ code: 'STORE_FAILED' })
      const empty = store.commit([], async (client) => {
        await client.query('SELECT 1 / 0').catch(() => {})
      })
      await expect(empty).rejects.toMatchObject({ code: 'STORE_FAILED' })
      expect(await contents(store, 's')).toEqual([])
      await store.close()
    })

    test.each(['COMMIT', 'ROLLBACK', 'COMMIT; BEGIN', 'ROLLBACK; BEGIN'])(
      'is refused if its rows come with a %s',
      async (words) => {
        const store = await opened()
        const ended = store.commit([{ scope: 's', entries: [put('a', 'half')] }], async (client) => {
          await client.query(words)
        })
        await expect(ended).rejects.toThrow('COMMIT or ROLLBACK was called')
        expect(await contents(store, 's')).toEqual([])
        await store.commit([{ scope: 's', entries: [put('a', 'later')] }])
        expect(await contents(store, 's')).toEqual([['a', 'later']])
        await store.close()
      },
    )

    test('that fails as late as at COMMIT keeps nothing', async () => {
      await pool.query('CREATE TABLE deferred (n int UNIQUE DEFERRABLE INITIALLY DEFERRED)')
      const store = await opened()
      const failing = store.commit([{ scope: 's', entries: [put('a', 'half')] }], async (client) => {
        await client.query('INSERT INTO deferred VALUES (1), (1)')
      })
      await expect(failing).rejects.toMatchObject({ code: 'STORE_FAILED', cause: { code: '23505' } })
      expect(await contents(store, 's')).toEqual([])
      await store.close()
    })

    test('in a deadlock with another is repeated: both are kept', async () => {
      await pool.query(
        'CREATE TABLE balance (id int PRIMARY KEY, amount int); INSERT INTO balance VALUES (1, 0), (2, 0)',
      )
      const stores = [await opened(), await opened()]
      const hold = new Map<number, boolean>()
      let calls = 0
      await Promise.all(
        stores.map((store, n) =>
          store.commit([{ scope: 's', entries: [put('a', 'kept')] }], async (client) => {
            calls++
            const order = n === 0 ? [1, 2] : [2, 1]
            await client.query('UPDATE balance SET amount = amount + 1 WHERE id = $1', [order[0]])
            hold.set(n, true)
            await until('the other to hold its row', () => hold.size === 2)
            await client.query('UPDATE balance SET amount = amount + 1 WHERE id = $1', [order[1]])
          }),
        ),
      )
      expect(calls).toBe(3)
      expect((await pool.query('SELECT amount FROM balance')).rows).toEqual([{ amount: 2 }, { amount: 2 }])
      for (const store of stores) {
        expect(await contents(store, 's')).toEqual([['a', 'kept']])
        await store.close()
      }
    })

    test('that the database ends for its time-out keeps nothing, and the next one works', async () => {
      const impatient = server().pool({ statement_timeout: 100 })
      const store = postgres({ pool: impatient, schema: freshSchema() })
      await store.open('app')
      const slow = store.commit([{ scope: 's', entries: [put('a', 'half')] }], async (client) => {
        await client.query('SELECT pg_sleep(60)')
      })
      await expect(slow).rejects.toMatchObject({ code: 'STORE_FAILED', cause: { code: '57014' } })
      await store.commit([{ scope: 's', entries: [put('b', 'whole')] }])
      expect(await contents(store, 's')).toEqual([['b', 'whole']])
      await store.close()
      await impatient.end()
    })

    test('during which the server ends keeps nothing; once it is back, the next one works', async () => {
      await pool.query('CREATE TABLE restarted (n int)')
      const store = await opened()
      await store.claim?.('s')
      await store.commit([{ scope: 's', entries: [put('a', 'whole')] }])
      const broken = store.commit([{ scope: 's', entries: [put('a', 'half')] }], async (client) => {
        await client.query('INSERT INTO restarted VALUES (1)')
        await server().restart()
        await client.query('INSERT INTO restarted VALUES (2)')
      })
      await expect(broken).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
      expect(await contents(store, 's')).toEqual([['a', 'whole']])
      expect((await pool.query('SELECT * FROM restarted')).rows).toEqual([])
      await server().restart()
      await store.commit([{ scope: 's', entries: [put('a', 'later')] }])
      expect(await contents(store, 's')).toEqual([['a', 'later']])
      await store.close()
    }, 60_000)

    test('is made at the isolation level that the database has: serialization failures are repeated', async () => {
      const strict = server().pool({ options: '-c default_transaction_isolation=serializable' })
      await pool.query('CREATE TABLE serial (n int)')
      const schema = freshSchema()
      const stores = [postgres({ pool: strict, schema }), postgres({ pool: strict, schema })]
      for (const store of stores) await store.open('app')
      await Promise.all(
        stores.flatMap((store, n) =>
          Array.from({ length: 10 }, (_, i) =>
            store.commit([{ scope: `${n}`, entries: [put(`${i}`, '')] }], async (client) => {
              const { rows } = await client.query('SELECT count(*)::int AS count FROM serial')
              await client.query('INSERT INTO serial VALUES ($1)', [rows[0].count])
            }),
          ),
        ),
      )
      const { rows } = await pool.query('SELECT n FROM serial ORDER BY n')
      expect(rows.map(({ n }) => n)).toEqual(Array.from({ length: 20 }, (_, n) => n))
      for (const store of stores) await store.close()
      await strict.end()
    }, 60_000)
  })

  describe('processes', () => {
    function startProcess(schema: string, mode: string): ChildProcess & { lines: AsyncIterator<string> } {
      const file = join(import.meta.dirname, 'postgresProcess.ts')
      const child = spawn(process.execPath, ['--import', 'tsx', file, server().connectionString, schema, mode], {
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      children.push(child)
      const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream })[Symbol.asyncIterator]()
      return Object.assign(child, { lines })
    }

    async function counters(store: StoreAdapter): Promise<number[]> {
      const found = (await Promise.all(['left', 'right'].map((scope) => contents(store, scope)))).flat()
      const { rows } = await pool.query('SELECT n FROM counted ORDER BY n')
      expect(rows.map(({ n }) => n)).toEqual(Array.from(rows, (_, n) => n + 1))
      return [...new Set([...found.map(([, text]) => Number(text)), rows.length])]
    }

    test('one that is killed in mid-commit loses nothing that it had committed: state and rows agree', async () => {
      await pool.query('CREATE TABLE counted (n int PRIMARY KEY)')
      const schema = freshSchema()
      let last = 0
      for (let round = 0; round < 5; round++) {
        const child = startProcess(schema, 'count')
        const enough = last + 3 + round * 5
        for (;;) {
          const { value, done } = await child.lines.next()
          if (done) break
          if (value !== 'open') last = Number(value)
          if (last >= enough) child.kill('SIGKILL')
        }
        const survivor = storeIn(schema)
        await survivor.open('counter')
        // The server may be busy yet with what the dead had sent.
        await survivor.claim?.('left')
        const [counter, ...others] = await counters(survivor)
        expect(others).toEqual([])
        expect(counter).toBeGreaterThanOrEqual(last)
        last = counter as number
        await survivor.close()
      }
      await pool.query('DROP TABLE counted')
    }, 120_000)

    test('one that stands still in mid-commit keeps nobody from taking over, and commits nothing when it wakes', async () => {
      await pool.query('CREATE TABLE counted (n int PRIMARY KEY)')
      const schema = freshSchema()
      const child = startProcess(schema, 'freeze')
      expect((await child.lines.next()).value).toBe('open')
      expect((await child.lines.next()).value).toBe('frozen')
      const heir = storeIn(schema)
      await heir.open('counter')
      await heir.claim?.('left')
      await heir.commit([{ scope: 'left', entries: [put('a', '0')] }])
      child.kill('SIGCONT')
      expect((await child.lines.next()).value).toMatch(/^TidemarkError: STORE_UNAVAILABLE/)
      expect(await contents(heir, 'left')).toEqual([['a', '0']])
      expect((await pool.query('SELECT * FROM counted')).rows).toEqual([])
      await heir.close()
    }, 60_000)
  })
})
