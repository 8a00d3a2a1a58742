import { type GlobalTopic, takeRow } from '../app/globalTopic.js'
import { PartitionQueue } from '../app/partitionQueue.js'
import type { TidemarkError } from '../record/errors.js'
import type { RecordedRecord } from './recordedRecord.js'
import type { Recording } from './recording.js'

/** Fills the global tables of an app as far as a replay has come: in the order of the recording, like everything else. */
export class ReplayGlobals {
  private readonly topics: ReadonlySet<string>
  /** So many records of the recording have been taken, */
  private taken = 0
  /** and so many are to be. */
  private wanted = 0

  constructor(
    private readonly recording: Recording,
    private readonly globals: readonly GlobalTopic[],
    private readonly report: (error: TidemarkError) => void,
  ) {
    this.topics = new Set(globals.map(({ role }) => role.topic))
  }

  get isEmpty(): boolean {
    return this.globals.length === 0
  }

  /** Empties them, to be filled with all records before a place. */
  open(index: number): void {
    for (const { rows } of this.globals) {
      rows.clear()
      rows.isOpen = true
    }
    this.taken = 0
    this.wanted = this.isEmpty ? 0 : index
  }

  get isFilled(): boolean {
    return this.taken === this.wanted
  }

  /** Fills them as long as `isOver` lets it. @returns whether they are filled @throws TidemarkError `DESERIALISE`, `BAD_TIMESTAMP` */
  fill(isOver: () => boolean): boolean {
    while (!this.isFilled) {
      this.take(this.recording.record(this.taken++))
      if ((this.taken & 31) === 0 && isOver()) break
    }
    return this.isFilled
  }

  /** @throws TidemarkError `DESERIALISE`, `BAD_TIMESTAMP` */
  take(record: RecordedRecord): void {
    const { topic, partition, offset } = record
    if (!this.topics.has(topic)) return
    const end = offset + 1
    for (const global of this.globals) {
      if (global.role.topic !== topic) continue
      const queue = new PartitionQueue(topic, partition, offset, end)
      queue.add({ topic, partition, records: [record], nextOffset: end, endOffset: end })
      takeRow(global, queue, (_, error) => {
        if (error !== undefined) this.report(error)
      })
    }
  }

  close(): void {
    for (const { rows } of this.globals) rows.clear()
  }
}
