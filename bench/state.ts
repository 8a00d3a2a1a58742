import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { aggregate, createApp, embedded, json, NO_HEADERS, type StreamRecord } from '../lib/index.js'
import { loadAll } from '../lib/ports/loadAll.js'
import { level } from '../lib/stores/level.js'
import { type Contestant, type Outcome, printFigures, takeTurns } from './rounds.js'

const APP = 'bench-state'
const TOPIC = 'readings'
const KEYS = 20_000
const RECORDS = 50_000
/** Numbers that a key's value holds: about a kilobyte, encoded. */
const HELD = 180
/** About what the values of all keys take, encoded. */
const STATE_BYTES = KEYS * 1_000
const DEADLINE_MS = 300_000

const encoder = new TextEncoder()
const keys = Array.from({ length: KEYS }, (_, n) => `key-${String(n).padStart(6, '0')}`)

/** In no order, so that what was used lately says nothing of what is used next. */
function* draws(count: number): IterableIterator<number> {
  let seed = 1
  for (let n = 0; n < count; n++) {
    seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0
    yield Math.floor((seed / 2 ** 32) * KEYS)
  }
}

interface Held {
  count: number
  readonly last: number[]
}

/** Each key once, which makes the state, and then keys as they are drawn, which is what is measured. */
async function run(folder: string, maxStateBytes: number | undefined): Promise<Outcome> {
  const broker = embedded()
  await broker.connect()
  await broker.createTopics([{ topic: TOPIC, partitions: 1 }])
  const app = createApp({
    id: APP,
    broker,
    store: level(folder, { exclusive: true }),
    ...(maxStateBytes !== undefined && { maxStateBytes }),
  })
  let counted = 0
  const readings = app.stream<number>(TOPIC, { value: json() }).pipe(
    aggregate<StreamRecord<string, number>, never, Held>(
      {
        init: () => ({ count: 0, last: Array.from({ length: HELD }, (_, n) => 10_000 + n) }),
        add(held: Held, { value }) {
          held.last[held.count++ % HELD] = 10_000 + (value % 90_000)
          return held
        },
        result: (held: Held) => {
          counted += held.count > 0 ? 1 : 0
          return held
        },
      },
      { name: 'held' },
    ),
  )
  app.run('held', readings)
  let failure: unknown
  app.errors$.subscribe((error) => {
    failure = error
  })
  await app.start()
  const handled = async (count: number) => {
    const deadline = Date.now() + DEADLINE_MS
    while (counted < count) {
      if (failure !== undefined) throw failure
      if (Date.now() > deadline) throw new Error(`${counted} of ${count} records after ${DEADLINE_MS} ms`)
      await new Promise((resolve) => setTimeout(resolve, 1))
    }
  }
  const producer = await broker.producer()
  const send = async (numbers: Iterable<number>) => {
    const batch: number[] = []
    const flush = () =>
      producer.send(
        batch.splice(0).map((n) => ({
          topic: TOPIC,
          partition: 0,
          key: encoder.encode(keys[n]),
          value: encoder.encode(String(n)),
          timestamp: n,
          headers: NO_HEADERS,
        })),
      )
    for (const n of numbers) if (batch.push(n) === 5_000) await flush()
    await flush()
  }
  await send(keys.keys())
  await handled(KEYS)
  const startedAt = performance.now()
  await send(draws(RECORDS))
  await handled(KEYS + RECORDS)
  const seconds = (performance.now() - startedAt) / 1_000
  await app.stop()
  await broker.close()
  return { result: `${RECORDS} records`, seconds }
}

/** The same values as the store gives them, one after the other. */
async function raw(folder: string, isDecoded: boolean): Promise<Outcome> {
  const store = level(folder, { exclusive: true })
  await store.open(APP)
  const scope = `task/${APP}/${TOPIC}/0`
  if ((await loadAll(store, scope)).length < KEYS) throw new Error('the state is not there')
  const decoder = new TextDecoder()
  const startedAt = performance.now()
  for (const n of draws(RECORDS)) {
    const bytes = store.getSync?.(scope, `s/held/s${keys[n]}`)
    if (bytes === undefined) throw new Error(`${keys[n]} is not there`)
    if (isDecoded) JSON.parse(decoder.decode(bytes))
  }
  const seconds = (performance.now() - startedAt) / 1_000
  await store.close()
  return { result: `${RECORDS} records`, seconds }
}

/** Records per second of an aggregate whose values fit into memory, and don't, beside the reads that this takes. */
export async function benchState(): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), 'bench-state-'))
  let runs = 0
  const app = (maxStateBytes?: number) => run(join(dir, `${++runs}`), maxStateBytes)
  try {
    await run(join(dir, 'kept'), undefined)
    const contestants: Contestant[] = [
      { name: 'all values in memory', run: () => app() },
      { name: 'maxStateBytes: twice the state', run: () => app(2 * STATE_BYTES) },
      { name: 'maxStateBytes: a tenth of the state', run: () => app(STATE_BYTES / 10) },
      { name: 'getSync of level, as many times', run: () => raw(join(dir, 'kept'), false) },
      { name: 'getSync and JSON.parse', run: () => raw(join(dir, 'kept'), true) },
    ]
    printFigures(
      `An aggregate of ${KEYS.toLocaleString('en')} keys, a kilobyte each, over level(); keys in no order`,
      await takeTurns(contestants, RECORDS, { warmUp: 1, rounds: 3 }),
    )
  } finally {
    await rm(dir, { recursive: true, force: true })
  }
}
