import { WebSocket } from 'ws'
import { type Bridge, type BridgeOptions, bridge } from '../../lib/brokers/bridge.js'
import { type RemoteOptions, remote } from '../../lib/brokers/remote.js'
import type { Broker } from '../../lib/ports/broker.js'

export const TRANSPORTS = ['websocket', 'sse'] as const
export type Transport = (typeof TRANSPORTS)[number]

/** A bridge that lets everybody in, on a free port. */
export async function openBridge(
  options: Omit<BridgeOptions, 'authorise' | 'origins'> & Partial<BridgeOptions>,
): Promise<{ server: Bridge; url: string }> {
  const server = bridge({ authorise: () => true, origins: [], pollInterval: 5, ...options })
  const port = await server.listen(0)
  return { server, url: `http://127.0.0.1:${port}/bridge` }
}

export function connectTo(
  url: string,
  transport: Transport,
  options: Pick<RemoteOptions, 'local'> & Partial<RemoteOptions>,
) {
  return remote({ url, transport, WebSocket, ...options })
}

/**
 * A broker that reads through a bridge, and writes past it: so that the contract of a broker can be tried on what can only be read. Groups and offsets are
 * those of the broker behind the bridge, which is the local one, too.
 */
export class WritableRemote implements Broker {
  readonly name: string
  readonly durable: boolean
  private readonly through: Broker

  constructor(
    private readonly behind: Broker,
    /** What the bridge serves. */
    private readonly served: string[],
    url: string,
    transport: Transport,
  ) {
    this.through = connectTo(url, transport, { local: without(behind, served) })
    this.name = this.through.name
    this.durable = this.through.durable
  }

  connect = () => this.through.connect()
  close = () => this.through.close()
  topics = (names?: readonly string[]) => this.through.topics(names)
  committed: Broker['committed'] = (group, topics) => this.through.committed(group, topics)
  producer = () => this.behind.producer()
  transactionalProducer = (id: string) => this.behind.transactionalProducer(id)

  createTopics: Broker['createTopics'] = async (topics) => {
    await this.behind.createTopics(topics)
    this.served.push(...topics.map(({ topic }) => topic))
    await this.through.topics()
  }

  deleteTopics: Broker['deleteTopics'] = async (topics) => {
    await this.behind.deleteTopics(topics)
  }

  // Others may have made the topic since this one was connected.
  ranges: Broker['ranges'] = async (topic) => {
    await this.through.topics([topic])
    return this.through.ranges(topic)
  }

  read: Broker['read'] = async (at, from, to, each) => {
    await this.through.topics([at.topic])
    await this.through.read(at, from, to, each)
  }

  consumer: Broker['consumer'] = async (options) => {
    await this.through.topics(options.topics)
    return this.through.consumer(options)
  }
}

/** A broker of whose topics some can't be read. */
function without(broker: Broker, hidden: readonly string[]): Broker {
  const check = (topics: readonly string[]) => {
    const found = topics.find((topic) => hidden.includes(topic))
    if (found !== undefined) throw new Error(`${found} was read past the bridge`)
  }
  return new Proxy(broker, {
    get(target, property: keyof Broker) {
      const found = target[property]
      if (typeof found !== 'function') return found
      return (...args: any[]) => {
        if (property === 'consumer') check(args[0].topics)
        if (property === 'ranges') check([args[0]])
        if (property === 'read') check([args[0].topic])
        return (found as (...all: any[]) => unknown).apply(target, args)
      }
    },
  })
}
