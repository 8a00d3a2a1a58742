import { kafka } from '../../lib/brokers/kafka.js'
import { utf8 } from '../../lib/record/serde.js'

/*
 * A process of its own for kafka.kafka.spec.ts: a member of a group that says what it hears, a line of JSON each. It
 * commits after every batch. Arguments: brokers, group, topic.
 */
const [brokers, group, topic] = process.argv.slice(2) as [string, string, string]
const say = (kind: string, what: unknown) => console.log(JSON.stringify([kind, what]))

const broker = kafka({ brokers: brokers.split(','), sessionTimeout: '2s' })
await broker.connect()
const consumer = await broker.consumer({
  group,
  topics: [topic],
  slots: 16,
  plan: 'plan',
  listener: {
    assigned: async (partitions) => {
      say(
        'assigned',
        partitions.map(({ partition }) => partition),
      )
      return []
    },
    revoked: async (partitions) => {
      say(
        'revoked',
        partitions.map(({ partition }) => partition),
      )
    },
    batch: ({ partition, records, nextOffset }) => {
      for (const { value } of records) say('value', utf8.decode(value as Uint8Array))
      consumer.commit([{ topic, partition, offset: nextOffset }]).then(
        () => say('committed', nextOffset),
        (error) => say('refused', error.code),
      )
    },
    error: (error) => say('error', error.message),
  },
})
