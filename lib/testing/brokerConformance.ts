import type { Broker } from '../ports/broker.js'
import { consumerLaws } from './brokerConformance/consumerLaws.js'
import { groupLaws } from './brokerConformance/groupLaws.js'
import { logLaws } from './brokerConformance/logLaws.js'
import { type BrokerLaw, Setting } from './brokerConformance/setting.js'
import { transactionLaws } from './brokerConformance/transactionLaws.js'

export type { BrokerLaw }

/**
 * The contract of {@link Broker} as laws, for every adapter: each runs by itself, in any test runner or none, and
 * rejects if the adapter breaks it.
 *
 * ```ts
 * for (const { name, run } of brokerConformance(() => myBroker(options))) test(name, run)
 * ```
 *
 * @param make gives a connection, not yet connected; what one gives is in the log of all. Each law makes the topics and groups
 * that it needs, under names of its own, and removes the topics.
 */
export function brokerConformance(make: () => Broker | Promise<Broker>): BrokerLaw[] {
  return Object.entries({ ...logLaws, ...consumerLaws, ...groupLaws, ...transactionLaws }).map(([name, body]) => ({
    name,
    async run() {
      const setting = new Setting(make)
      try {
        await body(setting)
      } finally {
        await setting.end()
      }
    },
  }))
}
