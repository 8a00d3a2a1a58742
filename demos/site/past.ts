import type { TraceEvent } from 'tidemark'

type Windowed = Extract<TraceEvent, { type: 'window' }>
type Changed = Extract<TraceEvent, { type: 'state' }>

/** What a trace had come to at a checkpoint: how far time was, the last event of each window, and of each entry of a state. */
export class Past {
  private readonly times = new Map<string, number>()
  private readonly windows = new Map<string, number>()
  private readonly entries = new Map<string, number>()

  constructor(events: readonly TraceEvent[]) {
    for (const event of events) {
      if (event.type === 'time') this.times.set(placeOf(event), event.time)
      else if (event.type === 'window') this.windows.set(windowOf(event), event.id)
      else if (event.type === 'state') {
        if (event.isDeleted) this.entries.delete(entryOf(event))
        else this.entries.set(entryOf(event), event.id)
      }
    }
  }

  /** A task that begins anew tells what time it is, though that is no news. */
  knows(event: TraceEvent): boolean {
    return event.type === 'time' && event.time <= (this.times.get(placeOf(event)) ?? Number.NEGATIVE_INFINITY)
  }

  /** The last event of the window that this one is about. */
  last(event: TraceEvent): number | undefined {
    return event.type === 'window' ? this.windows.get(windowOf(event)) : undefined
  }

  /** The event that left the entry of a state as this one has found it, where the tracer doesn't know. */
  before(event: Changed): number | undefined {
    const entry = entryOf(event)
    const was = event.was ?? this.entries.get(entry)
    this.entries.delete(entry)
    return was
  }
}

const placeOf = ({ task, node }: TraceEvent) => `${task} ${node}`

const windowOf = ({ task, node, key, window }: Windowed) => JSON.stringify([task, node, key, window.start, window.end])

const entryOf = ({ task, state, key, window, at }: Changed) =>
  JSON.stringify([task, state, key, window?.start, window?.end, at])
