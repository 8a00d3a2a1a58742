import type { StoredEntry } from '../ports/store.js'
import { type Key, parseKey } from '../record/key.js'
import { utf8 } from '../record/serde.js'
import { stateKey } from '../task/state.js'

/** One entry of a state, as a checkpoint holds it. */
export interface StateEntry {
  /** `orders/3`: the task that reads partition 3 of orders. */
  readonly task: string
  readonly key: Key
  /** Where the state is kept by window: its start; where by place in time: that. */
  readonly start?: number
  readonly value: unknown
}

/** The entries of one state among all that a task's checkpoint holds. */
export function* stateEntries(
  task: string,
  name: string,
  entries: Iterable<StoredEntry>,
): IterableIterator<StateEntry> {
  const prefix = stateKey(name, '')
  for (const [entry, bytes] of entries) {
    if (!entry.startsWith(prefix)) continue
    const [value] = JSON.parse(utf8.decode(bytes)) as [unknown]
    // A window's start (or a place in time, with a number) if there is one; a key's text begins with a letter.
    const [, start, text] = /^(?:(-?[\d.]+)\/)?(?:\d+\/)?(.*)$/s.exec(entry.slice(prefix.length)) as unknown as string[]
    const key = parseKey(text as string)
    yield { task, key, ...(start !== undefined && { start: Number(start) }), value }
  }
}
