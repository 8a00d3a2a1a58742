import type { Key } from '../record/key.js'
import type { StreamRecord } from '../record/record.js'
import { type RecordJson, recordFromJson, recordToJson } from '../record/recordJson.js'
import type { Firing, OperatorContext } from '../task/definition.js'
import { Heap } from '../task/heap.js'
import type { CellState } from '../task/state.js'
import { failedAt } from './failedAt.js'

interface Waiting {
  readonly arrival: number
  readonly record: StreamRecord
}

/** Records that wait until the operator's time has reached them, and come out by timestamp, then in the order of arrival. Part of the state. */
export class InOrder implements Firing {
  private readonly heap = new Heap<Waiting>((a, b) => a.record.timestamp - b.record.timestamp || a.arrival - b.arrival)
  /** By arrival. */
  private readonly state: CellState<number, RecordJson>
  private arrivals = 0

  constructor(
    private readonly context: OperatorContext<never>,
    private readonly release: (record: StreamRecord) => void,
  ) {
    this.state = context.cells('waiting')
    for (const { key, value } of this.state.all()) {
      const arrival = key as number
      this.heap.push({ arrival, record: recordFromJson(value) })
      this.arrivals = Math.max(this.arrivals, arrival + 1)
    }
    context.fires(this)
  }

  add(record: StreamRecord<Key | null, unknown>): void {
    const arrival = this.arrivals++
    this.heap.push({ arrival, record })
    this.state.put(arrival, recordToJson(record))
    this.context.dueChanged()
  }

  due(): number {
    return this.heap.peek()?.record.timestamp ?? Number.POSITIVE_INFINITY
  }

  fireNext(): void {
    const { arrival, record } = this.heap.pop() as Waiting
    this.state.delete(arrival)
    try {
      this.release(record)
    } catch (cause) {
      throw failedAt(record, cause)
    }
  }
}
