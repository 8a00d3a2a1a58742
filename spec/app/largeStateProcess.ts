// An app that keeps a history of numbers for each key, over a store on disk; with a small heap it has no room for all of them.
// `node --max-old-space-size=64 --import tsx largeStateProcess.ts <folder> <id> <brokers | embedded> <keys> <maxStateBytes | all>`
// Says `sent` when its input is there, then how many records its tasks have handled, and at the end one line of JSON.
import { createApp } from '../../lib/app/app.js'
import { embedded } from '../../lib/brokers/embedded.js'
import { kafka } from '../../lib/brokers/kafka.js'
import { aggregate } from '../../lib/operators/aggregate.js'
import type { Broker } from '../../lib/ports/broker.js'
import { partitionOf } from '../../lib/record/partitionOf.js'
import { NO_HEADERS } from '../../lib/record/record.js'
import { json, utf8 } from '../../lib/record/serde.js'
import { level } from '../../lib/stores/level.js'
import { toTable } from '../../lib/tables/toTable.js'
import { until } from '../until.js'

const [folder, id, where, count, budget] = process.argv.slice(2) as [string, string, string, string, string]
const KEYS = Number(count)
const ROUNDS = 2
const PARTITIONS = 2
/** Numbers that a record adds to its key's history: eight bytes each in memory, two in the store. */
const NUMBERS = 1_500

const topic = `${id}-in`
const store = level(folder, { exclusive: true })
const broker: Broker = where === 'embedded' ? embedded({ store }) : kafka({ brokers: where.split(',') })
const keyOf = (n: number) => `key-${n}`
/** What the record of that number adds. */
function addNumbers(numbers: number[], record: number): void {
  for (let i = 0; i < NUMBERS; i++) numbers.push((record * 31 + i) % 10)
}

async function send(): Promise<void> {
  const counts = await broker.topics([topic])
  if (counts.size === 0) await broker.createTopics([{ topic, partitions: PARTITIONS }])
  const ranges = await broker.ranges(topic)
  if (ranges.some(({ end }) => end > 0)) return
  const producer = await broker.producer()
  for (let from = 0; from < KEYS * ROUNDS; from += 1_000) {
    const numbers = Array.from({ length: Math.min(1_000, KEYS * ROUNDS - from) }, (_, i) => from + i)
    await producer.send(
      numbers.map((n) => {
        const key = utf8.encode(keyOf(n % KEYS))
        const partition = partitionOf(key, PARTITIONS)
        return { topic, partition, key, value: utf8.encode(String(n)), timestamp: n, headers: NO_HEADERS }
      }),
    )
  }
  await producer.close()
}

await broker.connect()
await send()
console.log('sent')

const app = createApp({
  id,
  broker,
  store,
  maxBufferedBytes: 2 << 20,
  ...(budget !== 'all' && { maxStateBytes: Number(budget) }),
})
app.errors$.subscribe((error) => {
  console.error(String(error.stack))
  process.exit(1)
})
interface History {
  readonly records: number[]
  readonly numbers: number[]
}
const histories = toTable(
  'histories',
  app.stream<number>(topic, { value: json() }).pipe(
    aggregate(
      {
        init: (): History => ({ records: [], numbers: [] }),
        // In place: who lets a changed one go has lost it.
        add(history: History, { value }: { readonly value: number }) {
          history.records.push(value)
          addNumbers(history.numbers, value)
          return history
        },
      },
      { name: 'histories' },
    ),
  ),
)
app.run('histories', histories.changes())
const startedAt = Date.now()
await app.start()
await until(
  'all to be handled',
  () => {
    const { tasks } = app.stats()
    const records = tasks.reduce((sum, task) => sum + task.records, 0)
    console.log(String(records))
    return tasks.length === PARTITIONS && tasks.every(({ lag, buffered, restore }) => lag + buffered === 0 && !restore)
  },
  300_000,
)

const same = (a: readonly number[], b: readonly number[]) => a.length === b.length && a.every((one, i) => one === b[i])
let wrong = 0
let keys = 0
for (const [key, value] of histories.entries()) {
  const { records, numbers } = value as History
  keys++
  const first = Number(key.slice('key-'.length))
  const expected: number[] = []
  const expectedNumbers: number[] = []
  for (let n = first; n < KEYS * ROUNDS; n += KEYS) {
    expected.push(n)
    addNumbers(expectedNumbers, n)
  }
  if (!same(records, expected) || !same(numbers, expectedNumbers)) wrong++
}
await app.stop()
await broker.close()
console.log(JSON.stringify({ keys, wrong, tookMs: Date.now() - startedAt, rss: process.memoryUsage.rss() }))
process.exit()
