import type { Window } from '../../lib/record/record.js'
import type { AnyRecord } from '../../lib/task/definition.js'
import type { TraceEvent } from '../../lib/task/traceEvent.js'

const windowText = (window: Window | undefined) => (window === undefined ? '' : ` [${window.start},${window.end})`)

const recordText = (record: AnyRecord | undefined) =>
  record === undefined
    ? 'none'
    : `${record.key}:${JSON.stringify(record.value)}@${record.timestamp}${windowText((record as { window?: Window }).window)}`

/** An event in one line: `7 window spend <5 opened ann [0,10) 1`. The number behind `<` is its cause. */
export function traceText(event: TraceEvent): string {
  const head = `${event.id} ${event.type} ${event.operator}${event.cause === undefined ? '' : ` <${event.cause}`}`
  return `${head} ${details(event)}`.trimEnd()
}

function details(event: TraceEvent): string {
  switch (event.type) {
    case 'node':
      return `${event.node} reads ${event.inputs.map((input) => input.join('+')).join(', ') || 'nothing'}`
    case 'in':
      return recordText(event.record)
    case 'out':
      return recordText(event.record) + (event.of === undefined ? '' : ` of ${event.of}`)
    case 'sent':
      return `${event.topic}/${event.partition} ${event.key}@${event.timestamp}`
    case 'dropped':
      return `${recordText(event.record)} ${event.reason}`
    case 'fired':
      return event.time === undefined ? '' : `at ${event.time}`
    case 'time':
      return `${event.time}`
    case 'state': {
      const place = event.at === undefined ? '' : ` at ${event.at}`
      const what = event.isDeleted ? 'deleted' : `= ${JSON.stringify(event.value)}`
      const was = event.was === undefined ? '' : ` was ${event.was}`
      return `${event.state} ${event.key}${windowText(event.window)}${place} ${what}${was}`
    }
    case 'window':
      return `${event.change} ${event.key}${windowText(event.window)} ${event.count}${event.was.length === 0 ? '' : ` was ${event.was.join('+')}`}`
  }
}

/** Ids of the source records that an event leads back to: by what it is made of, else by its cause. */
export function sourcesOf(events: ReadonlyMap<number, TraceEvent>, id: number): Set<number> {
  const sources = new Set<number>()
  const seen = new Set<number>()
  const waiting = [id]
  for (let at = waiting.pop(); at !== undefined; at = waiting.pop()) {
    if (seen.has(at)) continue
    seen.add(at)
    const event = events.get(at)
    if (event === undefined || event.type === 'fired') continue
    if (event.type === 'window') waiting.push(...event.was)
    if (event.type === 'out' && event.met !== undefined) waiting.push(event.met)
    const before = event.type === 'out' && event.of !== undefined ? event.of : event.cause
    if (before !== undefined) waiting.push(before)
    else if (event.type === 'out') sources.add(at)
  }
  return sources
}
