import { compareKeys, type Key } from '../record/key.js'
import type { Firing } from '../task/definition.js'
import { Heap } from '../task/heap.js'
import { type Rows, rowKey } from './rows.js'

interface Expiry {
  readonly due: number
  readonly row: Key
}

/** Entries of rows that have been updated are cleared out of the heap when there are more of them than this, and than rows. */
const MAX_DEAD = 64

/** Lets rows go when their time to live is over, by due time, then key. What is due follows from the rows: nothing of it is state. */
export class ExpiringRows implements Firing {
  private heap = newHeap()

  constructor(
    private readonly rows: Rows<unknown>,
    private readonly ttlMs: number,
    private readonly expire: (row: Key, due: number) => void,
  ) {
    this.fill()
  }

  /** A row has got a value, or another one. */
  add(row: Key, timestamp: number): void {
    this.heap.push({ due: timestamp + this.ttlMs, row })
    if (this.heap.size <= 4 * MAX_DEAD) return
    const { size } = this.rows
    if (this.heap.size - size > Math.max(MAX_DEAD, size)) this.fill()
  }

  due(): number {
    for (;;) {
      const first = this.heap.peek()
      if (first === undefined) return Number.POSITIVE_INFINITY
      if (this.dueOf(first.row) === first.due) return first.due
      this.heap.pop()
    }
  }

  fireNext(): void {
    const { due, row } = this.heap.pop() as Expiry
    this.expire(row, due)
  }

  private dueOf(row: Key): number | undefined {
    const found = this.rows.get(row)
    return found === undefined ? undefined : found.timestamp + this.ttlMs
  }

  private fill(): void {
    this.heap = newHeap()
    for (const { key, window, timestamp } of this.rows.entries())
      this.heap.push({ due: timestamp + this.ttlMs, row: rowKey(key, window) })
  }
}

const newHeap = () => new Heap<Expiry>((a, b) => a.due - b.due || compareKeys(a.row, b.row))
