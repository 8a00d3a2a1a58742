import { TidemarkError } from '../record/errors.js'
import { compareKeys, type Key } from '../record/key.js'
import type { Firing, Timers, Waiting } from './definition.js'
import { LazyHeap } from './lazyHeap.js'
import type { Cell, CellState } from './state.js'

interface Timer {
  readonly timestamp: number
  readonly key: Key
}

/** A visit in which fired timers set more than this many that are due at once will never end. */
const MAX_CHAIN = 1_000_000

/** An operator's timers, fired by timestamp, then by key; kept in a state, so that they survive a restart. */
export class TimerQueue implements Timers, Firing {
  private readonly heap: LazyHeap<Timer>
  private isFiring = false
  private chained = 0
  private chainTime = Number.NEGATIVE_INFINITY

  constructor(
    private readonly state: CellState<Key, 1>,
    private readonly operator: string,
    private readonly time: () => number,
    private readonly handler: (timestamp: number, key: Key) => void,
    private readonly dueChanged: () => void,
  ) {
    this.heap = new LazyHeap<Timer>((a, b) => a.timestamp - b.timestamp || compareKeys(a.key, b.key), {
      get size() {
        return state.size
      },
      isLive: ({ timestamp, key }) => state.cell([timestamp, key]) !== undefined,
      *all() {
        for (const cell of state.all()) yield timerOf(cell)
      },
    })
  }

  at(timestamp: number, key: Key): void {
    const id: Key = [timestamp, key]
    if (this.state.cell(id) !== undefined) return
    this.state.put(id, 1)
    this.heap.push({ timestamp, key })
    this.dueChanged()
    if (this.isFiring && timestamp <= this.time()) this.countChain()
  }

  cancel(timestamp: number, key: Key): void {
    const wasNext = this.heap.peek()?.timestamp === timestamp
    this.state.delete([timestamp, key])
    this.heap.sweep()
    // If it was the next to fire, another one is, or none.
    if (wasNext) this.dueChanged()
  }

  due(): number {
    return this.heap.peek()?.timestamp ?? Number.POSITIVE_INFINITY
  }

  waiting(key: Key): Waiting[] {
    const found: Waiting[] = []
    for (const cell of this.state.all()) {
      const { timestamp, key: own } = timerOf(cell)
      if (compareKeys(own, key) === 0) found.push({ what: 'timer', timestamp, until: timestamp })
    }
    return found.sort((a, b) => a.timestamp - b.timestamp)
  }

  fireNext(): void {
    const { timestamp, key } = this.heap.pop() as Timer
    this.state.delete([timestamp, key])
    this.isFiring = true
    try {
      this.handler(timestamp, key)
    } finally {
      this.isFiring = false
    }
  }

  private countChain(): void {
    const time = this.time()
    if (time !== this.chainTime) {
      this.chainTime = time
      this.chained = 0
    }
    if (++this.chained > MAX_CHAIN) {
      throw new TidemarkError(
        'TIMER_LOOP',
        `timers that fired at time ${time} have set more than ${MAX_CHAIN} others that are due at that time too; set the next one later`,
        { operator: this.operator },
      )
    }
  }
}

function timerOf(cell: Cell<1>): Timer {
  const [timestamp, key] = cell.key as readonly [number, Key]
  return { timestamp, key }
}
