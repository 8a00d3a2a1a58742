// An app whose sink, or call, is far slower than its source, until it has read ahead what it may: what it keeps in memory then, and then at full speed.
// `node --expose-gc --import tsx memoryProcess.ts <brokers> <id> <sink | call> <budget> <records>`; prints one line of JSON.
import { tap } from 'rxjs'
import { createApp } from '../../lib/app/app.js'
import { kafka } from '../../lib/brokers/kafka.js'
import { mapAsync } from '../../lib/operators/mapAsync.js'
import { toTopic } from '../../lib/operators/toTopic.js'
import type { Broker, TransactionalProducer } from '../../lib/ports/broker.js'
import type { StreamRecord } from '../../lib/record/record.js'
import { string } from '../../lib/record/serde.js'
import { memory } from '../../lib/stores/memory.js'
import { until } from '../until.js'

const [brokers, id, slow, budget, count] = process.argv.slice(2) as [string, string, 'sink' | 'call', string, string]
const maxBufferedBytes = Number(budget)

let isSlow = true
let goOn = () => {}
const gate = new Promise<void>((resolve) => {
  goOn = () => {
    isSlow = false
    resolve()
  }
})
/** A record takes a second instead of the ten ms or so in which it is read. */
const delay = async (records: number) => {
  if (isSlow) await Promise.race([gate, new Promise((resolve) => setTimeout(resolve, 1_000 * records))])
}

/** A broker that takes what is written slowly. */
function slowSink(broker: Broker): Broker {
  const transactionalProducer = async (name: string): Promise<TransactionalProducer> => {
    const producer = await broker.transactionalProducer(name)
    return {
      async begin() {
        const transaction = await producer.begin()
        return {
          async send(records) {
            await delay(records.length)
            await transaction.send(records)
          },
          sendOffsets: (group, positions) => transaction.sendOffsets(group, positions),
          commit: (along) => transaction.commit(along),
          abort: () => transaction.abort(),
        }
      },
      close: () => producer.close(),
    }
  }
  return new Proxy(broker, {
    get(target, name) {
      const member = name === 'transactionalProducer' ? transactionalProducer : Reflect.get(target, name, target)
      return typeof member === 'function' ? member.bind(target) : member
    },
  })
}

const broker = kafka({ brokers: [brokers] })
const app = createApp({
  id,
  broker: slow === 'sink' ? slowSink(broker) : broker,
  store: memory(),
  maxBufferedBytes,
})
app.errors$.subscribe((error) => {
  console.error(String(error.stack))
  process.exit(1)
})
const call = mapAsync(
  async ({ value }: StreamRecord<string, string>) => {
    await delay(1)
    return value
  },
  { name: 'call', concurrency: 2 },
)
const records = app.stream<string>(`${id}-in`, { value: string() })
let passed = 0
const pass = tap<StreamRecord<string, string>>(() => passed++)
app.run('copy', (slow === 'call' ? records.pipe(call) : records).pipe(pass, toTopic(`${id}-out`, { value: string() })))

const live = () => {
  for (let n = 0; n < 3; n++) gc?.()
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}
const figures = () => {
  const { tasks } = app.stats()
  const sum = (of: (task: (typeof tasks)[number]) => number) => tasks.reduce((total, task) => total + of(task), 0)
  return {
    handled: sum((task) => task.records),
    buffered: sum((task) => task.bufferedBytes),
    lag: sum((task) => task.lag),
    waits: tasks.map((task) => task.waitsFor ?? ''),
  }
}

const before = { live: live(), rss: process.memoryUsage.rss() }
let peakRss = 0
const watch = setInterval(() => {
  peakRss = Math.max(peakRss, process.memoryUsage.rss())
}, 10)
await app.start()
await until(
  'all that may be read ahead',
  () => {
    const { buffered, waits } = figures()
    return (
      buffered >= maxBufferedBytes && (slow === 'call' || waits.every((why) => why.includes('has yet to acknowledge')))
    )
  },
  60_000,
)
const full = figures()
let most = 0
for (let n = 0; n < 10; n++) {
  most = Math.max(most, live())
  await new Promise((resolve) => setTimeout(resolve, 100))
}
const slowRss = peakRss
goOn()
await until('all to pass', () => passed === Number(count), 60_000)
clearInterval(watch)
await app.stop()
console.log(
  JSON.stringify({ full, live: most - before.live, rss: slowRss - before.rss, peakRss: peakRss - before.rss }),
)
process.exit()
