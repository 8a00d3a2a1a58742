import type { TidemarkError } from '../record/errors.js'
import type { Key } from '../record/key.js'
import type { StreamRecord } from '../record/record.js'
import type { Origin } from '../task/origin.js'
import type { Lane } from '../task/watermark.js'
import { type Attempts, FIRST } from './attempts.js'
import type { Verdict } from './badRecords.js'
import { type PartitionQueue, unstamp } from './partitionQueue.js'
import type { TaskHost } from './taskHost.js'
import type { Reader } from './taskReaders.js'
import type { TaskScope } from './taskScope.js'

/** Brings a task's sources the records of its partitions, one at a time, and leaves out what has been found to be bad. */
export class Delivery {
  /** Of the record that is being handled. */
  private current: PartitionQueue | undefined
  /** The current record as each source reads it. */
  private readonly readings: (StreamRecord<Key | null, unknown> | undefined)[] = []
  /** Wall clock, ms: when a record that it waits with is tried again. */
  againAt: number | undefined
  private cancelPause = () => {}

  constructor(
    private readonly task: TaskScope,
    private readonly host: TaskHost,
    private readonly attempts: Attempts,
  ) {}

  close(): void {
    this.cancelPause()
  }

  /** The record that is being handled. */
  get record(): Origin | undefined {
    const { current } = this
    const raw = current?.head()
    return raw && current && { ...raw, topic: current.topic, partition: current.partition }
  }

  /** Its place in the log. */
  get place() {
    const queue = this.current
    if (queue === undefined) return {}
    return { topic: queue.topic, partition: queue.partition, offset: queue.head()?.offset ?? queue.position }
  }

  /** One that can't be read comes first: it has to be dealt with anyhow. */
  timestampOf(queue: PartitionQueue, role = this.task.readers.of(queue.topic)[0]?.role): number {
    try {
      return role === undefined ? 0 : queue.record(role).timestamp
    } catch {
      return Number.NEGATIVE_INFINITY
    }
  }

  /** Handles a partition's next record, which is there. */
  handle(queue: PartitionQueue): void {
    const { task } = this
    task.isChanged = true
    this.current = queue
    const { known } = this.attempts
    const verdict = known.isEmpty ? undefined : known.on(this.place as Origin)
    if (verdict !== undefined && verdict.policy !== 'again') this.leaveOut(queue, verdict)
    else if (verdict !== undefined && verdict.notBefore > task.clock.now()) this.pauseUntil(verdict.notBefore)
    else this.take(queue, verdict)
    if (task.failure === undefined) this.current = undefined
  }

  private take(queue: PartitionQueue, again: Verdict | undefined): void {
    this.attempts.begin(again === undefined ? FIRST : { ...FIRST, tries: again.tries })
    const readers = this.task.readers.of(queue.topic)
    if (this.read(queue, readers)) {
      for (let n = 0; n < readers.length && this.task.isGoing; n++) {
        const record = this.readings[n]
        if (record !== undefined) this.deliver(readers[n] as Reader, record, true)
      }
    }
    const outcome = this.attempts.end()
    if (outcome !== 'done' && outcome !== 'aside') return
    if (again !== undefined) again.isDone = true
    this.task.handled++
    queue.done()
  }

  /** The current record as each source reads it, before any of them gets it. False: it is left out, or has to wait. */
  private read(queue: PartitionQueue, readers: readonly Reader[]): boolean {
    this.readings.length = 0
    for (const { node, role } of readers) {
      let record: StreamRecord<Key | null, unknown> | undefined
      try {
        record = queue.record(role)
      } catch (error) {
        this.attempts.wentWrong(node, 'deserialise', error as TidemarkError)
        // Another source of the topic may well be able to read it.
        if (readers.length === 1 || !this.attempts.isLeftToOthers()) return false
      }
      this.readings.push(record)
    }
    return true
  }

  /** The task has gone back because of this record: now it does without, as if a filter behind the source had left it out. */
  private leaveOut(queue: PartitionQueue, verdict: Verdict): void {
    for (const reader of this.task.readers.of(queue.topic)) {
      try {
        this.deliver(reader, queue.record(reader.role), false)
      } catch {
        // A source that can't read it has no time of it.
      }
    }
    this.attempts.carryOut(verdict)
    this.attempts.known.close(this.place as Origin)
    this.task.handled++
    queue.done()
  }

  private pauseUntil(time: number): void {
    const { clock } = this.task
    this.againAt = time
    this.cancelPause = clock.after(time - clock.now(), () => {
      this.againAt = undefined
      this.host.wake()
    })
  }

  private deliver(reader: Reader, given: StreamRecord<Key | null, unknown>, emits: boolean): void {
    const { node, time } = reader
    const { task } = this
    const stamped = reader.role.is === 'exchange' ? unstamp(given) : undefined
    const record = stamped?.record ?? given
    if (stamped === undefined) task.time.takeRecord(reader, record)
    else if (stamped.time !== undefined) task.time.takeStamp(time, stamped.time)
    if (stamped?.time?.isWord === true) return
    if (record.timestamp > node.streamTime) node.streamTime = record.timestamp
    time.isSilent = false
    if (!emits) return
    node.emit(record)
    if (time.declared?.punctuated === undefined || !task.isGoing) return
    try {
      task.punctuate(time, reader.lane as Lane, record)
    } catch (error) {
      task.caught(node, error, record)
    }
  }
}
