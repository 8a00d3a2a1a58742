import { TidemarkError } from '../record/errors.js'
import type { Key } from '../record/key.js'
import type { StreamRecord } from '../record/record.js'
import { type RecordJson, recordFromJson, recordToJson } from '../record/recordJson.js'
import type { Firing, OperatorContext } from '../task/definition.js'
import { Heap } from '../task/heap.js'
import type { CellState } from '../task/state.js'

interface Waiting {
  readonly arrival: number
  readonly record: StreamRecord
}

/** Records that wait until the operator's time has reached them, and come out by timestamp, then in the order of arrival. Part of the state. */
export class InOrder implements Firing {
  private readonly heap = new Heap<Waiting>((a, b) => a.record.timestamp - b.record.timestamp || a.arrival - b.arrival)
  private readonly state: CellState<readonly [timestamp: number, arrival: number], RecordJson>
  private arrivals = 0

  constructor(
    private readonly context: OperatorContext<never>,
    private readonly release: (record: StreamRecord) => void,
  ) {
    this.state = context.cells('waiting')
    for (const { key, value } of this.state.all()) {
      const [, arrival] = key as readonly [number, number]
      this.heap.push({ arrival, record: recordFromJson(value) })
      this.arrivals = Math.max(this.arrivals, arrival + 1)
    }
    context.fires(this)
  }

  add(record: StreamRecord<Key | null, unknown>): void {
    const arrival = this.arrivals++
    this.heap.push({ arrival, record })
    this.state.put([record.timestamp, arrival], recordToJson(record))
    this.context.dueChanged()
  }

  due(): number {
    return this.heap.peek()?.record.timestamp ?? Number.POSITIVE_INFINITY
  }

  fireNext(): void {
    const { arrival, record } = this.heap.pop() as Waiting
    this.state.delete([record.timestamp, arrival])
    try {
      this.release(record)
    } catch (cause) {
      // What fails here is this record, not the one that brought the time.
      const { topic, partition, offset, key } = record
      const place = topic === '' ? { key } : { topic, partition, offset, key }
      if (cause instanceof TidemarkError) throw cause.at(place)
      throw new TidemarkError('OPERATOR_FAILED', cause instanceof Error ? cause.message : String(cause), place, {
        cause,
      })
    }
  }
}
