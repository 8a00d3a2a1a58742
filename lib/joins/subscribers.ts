import { compareKeys, type Key, keyIdentity } from '../record/key.js'
import { record, type StreamRecord } from '../record/record.js'
import type { Change } from '../tables/change.js'
import type { Rows } from '../tables/rows.js'
import type { Handlers, OperatorContext } from '../task/definition.js'
import type { Cell, CellState } from '../task/state.js'
import type { Answer, Subscription } from './foreignKeyMessages.js'

/** Keeps which left rows point to each right row, and tells them of it: when they ask, and when it changes. */
export function subscribers<RV>(
  context: OperatorContext<StreamRecord<Key, Answer<RV>>>,
  rows: Rows<RV>,
): Handlers<StreamRecord<Key, Subscription> | Change<Key, RV>> {
  const state = new Subscriptions(context.cells())
  const answer = (left: Key, version: number, row: RV | null, timestamp: number, isQuiet = false) =>
    context.emit(record(left, { version, row, isQuiet }, timestamp))

  function take({ key, value: { left, version, wants }, timestamp }: StreamRecord<Key, Subscription>): void {
    const row = rows.get(key)
    if (wants === 'end' || wants === 'leave') {
      state.remove(key, left)
      if (wants === 'leave') answer(left, version, null, Math.max(timestamp, row?.timestamp ?? timestamp))
      return
    }
    state.put(key, left, version)
    if (row !== undefined) answer(left, version, row.value, Math.max(timestamp, row.timestamp))
    // Also to those who only ask: what told them that the row has gone may have been thrown away as of an earlier version.
    else answer(left, version, null, timestamp, wants === 'ask')
  }

  function tell(change: Change<Key, RV>): void {
    if (!change.isLatest) {
      context.drop(change as never, 'out of order')
      return
    }
    for (const { key, value: version } of state.of(change.key))
      answer((key as readonly [Key, Key])[1], version, change.value, change.timestamp)
  }

  return {
    record(message, input) {
      context.accept(message.timestamp)
      if (input === 0) take(message as StreamRecord<Key, Subscription>)
      else tell(message as Change<Key, RV>)
    },
  }
}

/** The left rows that point to a right row, found by its key. */
interface Pointing {
  readonly cells: Map<unknown, Cell<number>>
  /** In the order of the left keys, until one comes or goes. */
  sorted: readonly Cell<number>[] | undefined
}

/** Versions of left rows, by right and left key. */
class Subscriptions {
  private readonly byRight = new Map<unknown, Pointing>()

  constructor(private readonly state: CellState<readonly [right: Key, left: Key], number>) {
    for (const cell of state.all()) {
      const [right, left] = cell.key as readonly [Key, Key]
      this.pointing(right).cells.set(keyIdentity(left), cell)
    }
  }

  private pointing(right: Key): Pointing {
    const identity = keyIdentity(right)
    let found = this.byRight.get(identity)
    if (found === undefined) {
      found = { cells: new Map(), sorted: undefined }
      this.byRight.set(identity, found)
    }
    return found
  }

  /** Those that point to a row, in the order of their keys. */
  of(right: Key): readonly Cell<number>[] {
    const found = this.byRight.get(keyIdentity(right))
    if (found === undefined) return []
    found.sorted ??= [...found.cells.values()].sort((a, b) => compareKeys(a.key, b.key))
    return found.sorted
  }

  put(right: Key, left: Key, version: number): void {
    const pointing = this.pointing(right)
    let cell = pointing.cells.get(keyIdentity(left))
    if (cell === undefined) {
      cell = this.state.insert([right, left], version, 0)
      pointing.cells.set(keyIdentity(left), cell)
      pointing.sorted = undefined
    }
    cell.value = version
    this.state.touch(cell)
  }

  remove(right: Key, left: Key): void {
    const pointing = this.pointing(right)
    const cell = pointing.cells.get(keyIdentity(left))
    if (cell !== undefined) this.state.remove(cell)
    pointing.cells.delete(keyIdentity(left))
    pointing.sorted = undefined
    if (pointing.cells.size === 0) this.byRight.delete(keyIdentity(right))
  }
}
