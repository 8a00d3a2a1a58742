import type { GlobalTopic } from '../app/globalReader.js'
import { PartitionQueue } from '../app/partitionQueue.js'
import type { TidemarkError } from '../record/errors.js'
import type { RecordedRecord } from './recordedRecord.js'
import type { Recording } from './recording.js'

/** Fills the global tables of an app as far as a replay has come: in the order of the recording, like everything else. */
export class ReplayGlobals {
  private readonly topics: ReadonlySet<string>

  constructor(
    private readonly globals: readonly GlobalTopic[],
    private readonly report: (error: TidemarkError) => void,
  ) {
    this.topics = new Set(globals.map(({ role }) => role.topic))
  }

  get isEmpty(): boolean {
    return this.globals.length === 0
  }

  /** Fills them with all records before a place. @throws TidemarkError `DESERIALISE`, `BAD_TIMESTAMP` */
  open(recording: Recording, index: number): void {
    for (const { rows } of this.globals) {
      rows.clear()
      rows.isOpen = true
    }
    if (this.isEmpty) return
    for (let n = 0; n < index; n++) this.take(recording.record(n))
  }

  /** @throws TidemarkError `DESERIALISE`, `BAD_TIMESTAMP` */
  take(record: RecordedRecord): void {
    const { topic, partition, offset } = record
    if (!this.topics.has(topic)) return
    const end = offset + 1
    for (const { role, rows } of this.globals) {
      if (role.topic !== topic) continue
      const queue = new PartitionQueue(topic, partition, offset, end)
      queue.add({ topic, partition, records: [record], nextOffset: end, endOffset: end })
      try {
        const { key, value, timestamp } = queue.record(role)
        if (key !== null) rows.put(key, value, timestamp)
      } catch (error) {
        if (role.onError !== 'skip') throw error
        this.report(error as TidemarkError)
      }
    }
  }

  close(): void {
    for (const { rows } of this.globals) rows.clear()
  }
}
