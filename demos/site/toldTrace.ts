import type { TraceEvent } from 'tidemark'
import type { Recording } from 'tidemark/replay'
import type { Told } from './messages.js'

/** What is kept until the page has time for it: beyond this the oldest is forgotten. */
const MAX_EVENTS = 60_000

/** Says of each event of a trace which record of the recording it belongs to. */
export class ToldTrace {
  private told: Told[] = [{ index: 0, events: [] }]
  private size = 0
  /** By topic and partition: the place of its first record, then of each. */
  private readonly places = new Map<string, Map<number, number>>()
  private readonly sources = new Set<string>()

  constructor(recording: Recording) {
    for (let index = 0; index < recording.size; index++) {
      const { topic, partition, offset } = recording.record(index)
      const place = `${topic}/${partition}`
      const offsets = this.places.get(place) ?? new Map<number, number>()
      this.places.set(place, offsets.set(offset, index + 1))
    }
  }

  add(event: TraceEvent): void {
    if (event.type === 'node') {
      // Behind a record: a task has begun anew, the replay has jumped.
      const { index } = this.told.at(-1) as Told
      if (index !== undefined && index > 0) this.told.push({ index: undefined, events: [] })
      if (event.role === 'source') this.sources.add(event.node)
    } else if (event.type === 'out' && this.sources.has(event.node)) {
      const { topic, partition, offset } = event.record
      const index = this.places.get(`${topic}/${partition}`)?.get(offset)
      if (index !== undefined) this.told.push({ index, events: [] })
    }
    ;(this.told.at(-1) as Told).events.push(event)
    if (++this.size > MAX_EVENTS && this.told.length > 1) this.size -= (this.told.shift() as Told).events.length
  }

  take(): Told[] {
    const told = this.told
    // What still comes belongs to the last record.
    const { index } = told.at(-1) as Told
    this.told = [{ index, events: [] }]
    this.size = 0
    return told.filter(({ events }) => events.length > 0)
  }
}
