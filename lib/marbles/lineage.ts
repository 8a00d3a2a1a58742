import type { TracedWindow, TraceEvent } from '../task/traceEvent.js'
import type { Marble } from './lane.js'
import type { Scene } from './scene.js'

/** What a record came from, and what it has touched. */
export interface Lineage {
  readonly of: Marble
  /** Nearest first. */
  readonly from: readonly Marble[]
  readonly touched: readonly Marble[]
  /** The record that moved time so far that it came out. */
  readonly movedBy: Marble | undefined
  /** Entries of state that it has changed, in order. */
  readonly states: readonly (TraceEvent & { type: 'state' })[]
  /** The window that it is a result of. */
  readonly window: TracedWindow | undefined
  /** All that are marked, and which lead to which. */
  readonly marbles: ReadonlySet<Marble>
  readonly links: readonly (readonly [from: Marble, to: Marble])[]
  /** Last events of windows on the way. */
  readonly brackets: ReadonlySet<number>
}

/** So many are told of each side; the rest is counted. */
const MAX_MARBLES = 400

/** Walks a trace from a marble back to its sources, and forth to all that came of it. */
export function lineageOf(scene: Scene, of: Marble): Lineage {
  const walk = new Walk(scene)
  walk.back(of.event, of)
  walk.forth(of)
  const event = scene.events.get(of.event)
  const fired = event?.cause === undefined ? undefined : scene.events.get(event.cause)
  const made = event?.type === 'out' && event.of !== undefined ? scene.events.get(event.of) : undefined
  return {
    of,
    from: [...walk.from].sort((a, b) => b.event - a.event),
    touched: [...walk.touched],
    movedBy: fired?.type === 'fired' && fired.cause !== undefined ? scene.marbleOf(fired.cause) : undefined,
    states: walk.states,
    window: made?.type === 'window' ? made : undefined,
    marbles: new Set([of, ...walk.from, ...walk.touched]),
    links: walk.links,
    brackets: walk.brackets,
  }
}

class Walk {
  readonly from = new Set<Marble>()
  readonly touched = new Set<Marble>()
  readonly states: (TraceEvent & { type: 'state' })[] = []
  readonly links: (readonly [Marble, Marble])[] = []
  readonly brackets = new Set<number>()
  private readonly seen = new Set<number>()

  constructor(private readonly scene: Scene) {}

  /** @param to the marble that it leads to */
  back(id: number, to: Marble): void {
    const waiting: [id: number, to: Marble][] = [[id, to]]
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      const [at, marble] = next
      if (this.seen.has(at) || this.from.size >= MAX_MARBLES) continue
      this.seen.add(at)
      const event = this.scene.events.get(at)
      if (event === undefined) continue
      let target = marble
      if (at !== id && (event.type === 'out' || event.type === 'dropped')) {
        const found = this.scene.marbleOf(at)
        if (found !== undefined) {
          this.from.add(found)
          this.links.push([found, marble])
          target = found
        }
      }
      if (event.type === 'window') {
        this.brackets.add(at)
        for (const was of event.was) waiting.push([was, target])
      }
      if (event.type === 'out' && event.met !== undefined) waiting.push([event.met, target])
      const before = event.type === 'out' && event.of !== undefined ? event.of : event.cause
      // What moved time is no part of it.
      if (before !== undefined && this.scene.events.get(before)?.type !== 'fired') waiting.push([before, target])
    }
  }

  forth(of: Marble): void {
    /** Events that it has led to, with the last marble on the way. */
    const reached = new Map<number, Marble>([[of.event, of]])
    for (const event of this.scene.events.after(of.event)) {
      if (event.type === 'time' || event.type === 'fired' || event.type === 'node') continue
      const via = this.via(event, reached)
      if (via === undefined) continue
      reached.set(event.id, via)
      if (event.type === 'window') this.brackets.add(event.id)
      if (event.type === 'state') this.states.push(event)
      if (event.type !== 'out' && event.type !== 'dropped') continue
      const marble = this.scene.marbleOf(event.id)
      if (marble === undefined || this.touched.size >= MAX_MARBLES) continue
      reached.set(event.id, marble)
      this.touched.add(marble)
      this.links.push([via, marble])
    }
  }

  private via(event: TraceEvent, reached: ReadonlyMap<number, Marble>): Marble | undefined {
    if (event.type === 'out') {
      for (const made of [event.of, event.met]) {
        const found = made === undefined ? undefined : reached.get(made)
        if (found !== undefined) return found
      }
    }
    if (event.type === 'window') for (const was of event.was) if (reached.has(was)) return reached.get(was)
    return event.cause === undefined ? undefined : reached.get(event.cause)
  }
}
