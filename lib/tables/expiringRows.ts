import { compareKeys, type Key } from '../record/key.js'
import type { Firing } from '../task/definition.js'
import { LazyHeap } from '../task/lazyHeap.js'
import type { CountedRows } from './rows.js'

/** Rows of which the timestamps are known without their values. */
interface TimedRows extends CountedRows<unknown> {
  times(): IterableIterator<readonly [row: Key, timestamp: number]>
}

interface Expiry {
  readonly due: number
  readonly row: Key
}

/** Lets rows go when their time to live is over, by due time, then key. What is due follows from the rows: nothing of it is state. */
export class ExpiringRows implements Firing {
  private readonly heap: LazyHeap<Expiry>

  constructor(
    private readonly rows: TimedRows,
    private readonly ttlMs: number,
    private readonly expire: (row: Key, due: number) => void,
  ) {
    this.heap = new LazyHeap<Expiry>((a, b) => a.due - b.due || compareKeys(a.row, b.row), {
      get size() {
        return rows.size
      },
      isLive: ({ row, due }) => this.dueOf(row) === due,
      *all() {
        for (const [row, timestamp] of rows.times()) yield { due: timestamp + ttlMs, row }
      },
    })
  }

  /** A row has got a value, or another one. */
  add(row: Key, timestamp: number): void {
    this.heap.push({ due: timestamp + this.ttlMs, row })
  }

  due(): number {
    return this.heap.peek()?.due ?? Number.POSITIVE_INFINITY
  }

  fireNext(): void {
    const { due, row } = this.heap.pop() as Expiry
    this.expire(row, due)
  }

  private dueOf(row: Key): number | undefined {
    const found = this.rows.get(row)
    return found === undefined ? undefined : found.timestamp + this.ttlMs
  }
}
