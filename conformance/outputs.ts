import { type Broker, string } from 'tidemark'
import type { KafkaWindow, OutputRecord } from './format.js'
import type { Json } from './json.js'

const text = string()

/** Reads on in the output topics, each from where it was left. */
export class Outputs {
  private readonly positions = new Map<string, number>()

  constructor(
    private readonly broker: Broker,
    private readonly topics: readonly string[],
    private readonly settle: () => Promise<void>,
  ) {}

  /** What has been written since the last call. */
  async next(): Promise<OutputRecord[]> {
    const found: OutputRecord[] = []
    for (const topic of this.topics) {
      for (const [partition, { end }] of (await this.broker.ranges(topic)).entries()) {
        const place = `${topic}/${partition}`
        const from = this.positions.get(place) ?? 0
        if (end <= from) continue
        this.positions.set(place, end)
        const reading = this.broker.read({ topic, partition }, from, end, ({ records }) => {
          for (const { key, value, timestamp, headers } of records) {
            const window = headers.find(([name]) => name === 'tidemark-window')?.[1]
            found.push({
              topic,
              key: key === null ? null : text.deserialize(key),
              value: value === null ? null : (JSON.parse(text.deserialize(value)) as Json),
              timestamp,
              ...(window && { window: windowOf(text.deserialize(window)) }),
            })
          }
        })
        // A long topic is read in pieces, one a turn.
        if (end - from > 100) await this.settle()
        await reading
      }
    }
    return found
  }
}

function windowOf(header: string): KafkaWindow {
  const [start, end] = header.split(',').map(Number)
  return { start: start as number, end: end as number }
}
