import { describe, expect, test } from '@jest/globals'
import { distinct, filter, map, type Observable, scan } from 'rxjs'
import {
  type App,
  aggregate,
  count,
  embedded,
  flatMap,
  json,
  keyBy,
  memory,
  process,
  type StreamRecord,
  toTopic,
} from 'tidemark'
import { expectSameUnderFaults, type FaultOptions } from 'tidemark/testing'
import { offsetsAhead, pastTransaction, tornStore, unfenced } from './broken.js'

type In = StreamRecord<string, number>

const INPUT = Array.from({ length: 6 }, (_, n) => ({
  topic: 'in',
  key: 'abc'[n % 3] as string,
  value: n,
  timestamp: n * 10,
}))
const TOPICS = { topics: { in: 2, out: 2 } }

const over = (build: (stream: Observable<In>) => Observable<StreamRecord<any, any>>) => (app: App) =>
  app.run('it', build(app.stream<number>('in', { value: json() })).pipe(toTopic('out')))

const counted = over((s) =>
  s.pipe(
    keyBy(({ value }) => `${value % 4}`),
    aggregate(count(), { name: 'counts' }),
  ),
)

const tried = (pipeline: (app: App) => unknown, options: Partial<FaultOptions> = {}) =>
  expectSameUnderFaults(pipeline, INPUT, { ...TOPICS, ...options })

/** What it says about a pipeline or a broker that is not right. */
async function complaint(pipeline: (app: App) => unknown, options: Partial<FaultOptions> = {}): Promise<string> {
  const found = await tried(pipeline, options).then(
    () => 'nothing',
    (error: Error) => error.message,
  )
  const only = /\{ only: "(.*\d)" \}/.exec(found)?.[1]
  if (only !== undefined) {
    // What it names shows the same once more, by itself.
    await expect(tried(pipeline, { ...options, only })).rejects.toThrow(found)
  }
  return found
}

test('passes what is right, and says what it has tried', async () => {
  const report = await tried(counted, { maxRuns: 120, seed: 5 })
  expect(report.tried).toBe(120)
  expect(report.seed).toBe(5)
  expect(report.possible).toBeGreaterThan(300)
  expect(Object.keys(report.kinds).sort()).toEqual([
    'crash after operation',
    'crash after record',
    'crash before operation',
    'crash before record',
    'crash during operation',
    'freeze before operation',
    'join after record',
    'kill after record',
    'leave after record',
    'refuse operation',
  ])
  // The zombies have been fenced, and what was refused has been told.
  expect(Object.keys(report.codes).sort()).toEqual(['BROKER_UNAVAILABLE', 'FENCED', 'STORE_FAILED'])
})

describe('finds', () => {
  test.each<[string, (app: App) => unknown]>([
    ['scan', over((s) => s.pipe(scan((sum, record) => ({ ...record, value: sum.value + record.value }))))],
    ['distinct', over((s) => s.pipe(distinct(({ key }) => key)))],
    [
      'state in a closure',
      over((s) =>
        s.pipe(
          process<In, In>(({ emit }) => {
            const seen = new Map<string, number>()
            return {
              record(record) {
                seen.set(record.key, (seen.get(record.key) ?? 0) + 1)
                emit({ ...record, value: seen.get(record.key) as number })
              },
            }
          }),
        ),
      ),
    ],
  ])('%s, which a restart forgets', async (_name, pipeline) => {
    expect(await complaint(pipeline)).toMatch(/^crash .*topic out, partition \d: number \d differs/s)
    // A change of hands loses it as well.
    expect(await complaint(pipeline, { only: 'leave after record 4' })).toContain('topic out')
    expect(await complaint(pipeline, { only: 'kill after record 4' })).toContain('topic out')
  })

  test('a count outside the pipeline, which a restart does not take back', async () => {
    let calls = 0
    const pipeline = over((s) => s.pipe(map((record) => ({ ...record, value: ++calls }))))
    expect(await complaint((app) => pipeline(app))).toContain('two runs without a fault differ')
  })

  test('an output written past the transaction', async () => {
    const broker: FaultOptions['broker'] = (store, clock) => pastTransaction(embedded({ store, clock }))
    expect(await complaint(counted, { broker })).toMatch(/topic out|state counts/)
  })

  test('an offset stored ahead of the state', async () => {
    const broker: FaultOptions['broker'] = (store, clock) => offsetsAhead(embedded({ store, clock }), store)
    expect(await complaint(counted, { broker })).toMatch(/^crash .*(topic out|state counts)/s)
  })

  test('a member that was given up and commits all the same', async () => {
    const broker: FaultOptions['broker'] = (store, clock) => unfenced(embedded({ store, clock }))
    expect(await complaint(counted, { broker, only: 'freeze before operation' })).toMatch(/^freeze .*topic out/s)
  })

  test('what goes wrong while a member stands still, whatever that member was about', async () => {
    /** Fails where a record is handled once more in a run. */
    const handledOnce = () => {
      const runs = [new Set<string>(), new Set<string>(), new Set<string>()] as const
      let apps = 0
      return over((s) => {
        // Two members each for the runs without a fault.
        const handled = runs[Math.min(2, apps++ >> 1)] as Set<string>
        return s.pipe(
          map((record) => {
            const place = `${record.partition}@${record.offset}`
            if (handled.has(place)) throw new Error('handled twice')
            handled.add(place)
            return record
          }),
          aggregate(count(), { name: 'counts' }),
        )
      })
    }
    const { possible } = await tried(handledOnce(), { only: 'join after record 1' })
    const whileItCommits = /\(transaction\.commit of member \d, .*handled twice/s
    let found = ''
    for (let at = 1; at <= possible && !whileItCommits.test(found); at++) {
      found = await tried(handledOnce(), { only: `freeze before operation ${at}` }).then(
        () => '',
        ({ message }) => message,
      )
    }
    expect(found).toMatch(whileItCommits)
  })

  test('a store that is not atomic', async () => {
    const store = () => tornStore(memory())
    expect(await complaint(counted, { store })).toMatch(/^crash during operation/)
  })

  test('an order among keys that depends on who runs where, and says how to allow it', async () => {
    const spread = over((s) =>
      s.pipe(
        flatMap((record) => [0, 1, 2, 3].map((n) => ({ ...record, value: n }))),
        keyBy(({ value }) => `${value}`),
        aggregate(count(), { name: 'counts' }),
      ),
    )
    const options = { topics: { in: 2, out: 1 }, maxRuns: 60 }
    expect(await complaint(spread, options)).toMatch(/topic out, partition 0.*compare: 'perKey'/s)
    expect(await complaint(spread, { ...options, compare: 'perKey' })).toBe('nothing')
  })

  test('an input that shows nothing', async () => {
    expect(await complaint(over((s) => s.pipe(filter(() => false))))).toContain('nothing came out')
  })
})

test('an error of the app without a fault comes out as it is', async () => {
  const refused = over((s) => s.pipe(aggregate({ init: () => 0, add: () => () => {} } as never, { name: 'n' })))
  await expect(tried(refused)).rejects.toMatchObject({ code: 'NOT_SERIALISABLE' })
})

test('refuses a fault that the run does not have', async () => {
  await expect(tried(counted, { only: 'crash before record 10' })).rejects.toThrow('"crash before record 10"')
})
