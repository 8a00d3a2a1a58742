import { Heap } from './heap.js'

/** What the items of a {@link LazyHeap} stand for. */
export interface Standing<T> {
  /** About how many items mean something. */
  readonly size: number
  /** Whether an item still means something. */
  isLive(item: T): boolean
  /** All that do. */
  all(): Iterable<T>
}

/** Items that mean nothing any more are cleared out when there are more of them than this, and than of the others. */
const MAX_DEAD = 64

/** A heap whose items may come to mean nothing while they lie in it: they are passed over when they come up, and cleared out when they are most of it. */
export class LazyHeap<T> {
  private heap: Heap<T>

  constructor(
    private readonly compare: (a: T, b: T) => number,
    private readonly standing: Standing<T>,
  ) {
    this.heap = this.filled()
  }

  /** With what means nothing and hasn't been cleared out. */
  get size(): number {
    return this.heap.size
  }

  push(item: T): void {
    this.heap.push(item)
    this.sweep()
  }

  /** The first that means something. */
  peek(): T | undefined {
    for (;;) {
      const first = this.heap.peek()
      if (first === undefined || this.standing.isLive(first)) return first
      this.heap.pop()
    }
  }

  /** Takes out what {@link peek} has just given. */
  pop(): T | undefined {
    return this.heap.pop()
  }

  /** Clears out what means nothing, if that is most: to be called where items come to mean nothing. */
  sweep(): void {
    const dead = this.size - this.standing.size
    if (dead > MAX_DEAD && dead > this.standing.size) this.heap = this.filled()
  }

  private filled(): Heap<T> {
    const heap = new Heap<T>(this.compare)
    for (const item of this.standing.all()) heap.push(item)
    return heap
  }
}
