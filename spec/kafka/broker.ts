// A broker to work against by hand: `tsx spec/kafka/broker.ts [dir]`. It stays until this process is ended.
import { startKafka } from './launcher.js'

const dir = process.argv[2]
const kafka = await startKafka(dir === undefined ? {} : { dir })
console.log(`KAFKA_BROKERS=${kafka.brokers}`)
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, async () => {
    await kafka.stop()
    process.exit()
  })
}
