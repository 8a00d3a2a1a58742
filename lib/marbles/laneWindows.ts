import { keyText } from '../record/key.js'
import type { TracedWindow } from '../task/traceEvent.js'
import type { EventLog } from './eventLog.js'
import type { KeyLook } from './keyLooks.js'
import type { Lane } from './lane.js'

/** Lines for windows of a key that overlap. */
const MAX_LEVELS = 4
/** Numbers of records, or all of time: no stretch of it. */
const NOT_OF_TIME = /^(count|global)Window/
/** A key's never overlap. */
const APART = /^(tumbling|session)Window/

/** Takes what has become of a window into the brackets of its lane. @param now the page's clock */
export function changeBrackets(
  lane: Lane,
  event: TracedWindow,
  { row, colour }: KeyLook,
  events: Pick<EventLog, 'get'>,
  now: number,
): void {
  const { key, window, change, count } = event
  if (!lane.node.windows || NOT_OF_TIME.test(lane.node.windows)) return
  // Two tasks may have a window of one key, where it isn't what tells partitions apart.
  const name = `${event.task}/${keyText(key)}`
  const idOf = ({ start, end }: { readonly start: number; readonly end: number }) => `${name}/${start}/${end}`
  const id = idOf(window)
  const known = lane.brackets.get(id)
  if (change === 'gone') {
    lane.brackets.delete(id)
    return
  }
  if (change === 'closed') {
    if (known !== undefined) Object.assign(known, { isClosed: true, event: event.id, since: now })
    return
  }
  const before = event.was.flatMap((was) => {
    const other = events.get(was)
    return other?.type === 'window' ? [other.window] : []
  })
  for (const other of before) lane.brackets.delete(idOf(other))
  if (row >= lane.rows) lane.rows = row + 1
  const { start, end } = window
  const isSame = before.every((other) => other.start === start && other.end === end)
  lane.brackets.set(id, {
    event: event.id,
    key,
    name,
    start,
    end,
    count: count ?? known?.count,
    isClosed: false,
    colour,
    row,
    level: known?.level ?? levelOf(lane, name, start, end),
    before: isSame ? [] : before,
    since: now,
  })
}

/** The first line on which no other of the key's windows is in the way. */
function levelOf(lane: Lane, name: string, start: number, end: number): number {
  if (APART.test(lane.node.windows ?? '')) return 0
  const taken = new Set<number>()
  for (const other of lane.brackets.values())
    if (other.start < end && start < other.end && other.name === name) taken.add(other.level)
  let level = 0
  while (taken.has(level)) level++
  level %= MAX_LEVELS
  lane.levels = Math.max(lane.levels, level + 1)
  return level
}
