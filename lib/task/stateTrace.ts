import type { Key } from '../record/key.js'
import type { Window } from '../record/record.js'
import type { Course, OpenNode, Place } from './course.js'
import type { Node } from './node.js'
import { SeriesState } from './seriesState.js'
import { type Cell, type CellState, peek, WindowState } from './state.js'
import { WindowTrace } from './windowTrace.js'

/** A state with the one method through which all its changes go. */
interface Watched {
  readonly name: string
  touch(cell: Cell<unknown>): void
  all(): Iterable<Cell<unknown>>
}

/** Tells of a task's states: what changes in them, what becomes of the windows in them, and what is looked up. */
export class StateTrace {
  /** Of aggregates. */
  readonly windows = new Map<Node, WindowTrace>()
  /** Where a node keeps the records of its calls. */
  private readonly calls = new Map<Node, CellState<Key, unknown>>()
  /** Who wrote an entry last: the event of the change, and that of the record behind it. */
  private readonly writers = new WeakMap<
    Cell<unknown>,
    { readonly event: number; readonly record: number | undefined }
  >()

  constructor(private readonly course: Course) {}

  /** @returns what is to be done once the node has been set up: tells what has been restored */
  follow(node: Node, place: Place): () => void {
    const open: OpenNode = node
    const { cells, windows, series } = node
    const restored: (() => void)[] = []
    open.cells = (part) => {
      const state = cells(part)
      this.watch(node, place, state as never, part, restored)
      if (part === undefined) this.calls.set(node, state as never)
      this.watchLookups(node, state)
      return state as never
    }
    open.windows = (part) => {
      const state = windows(part)
      this.watch(node, place, state as never, part, restored)
      return state as never
    }
    open.series = (part) => {
      const state = series(part)
      this.watch(node, place, state as never, part, restored)
      if (this.windowOf(node, state as never, part) === undefined) this.watchMatches(state as never)
      return state as never
    }
    return () => {
      for (const tell of restored) tell()
    }
  }

  /** The record for which a call was made. */
  recordOfCall(node: Node, call: number): number | undefined {
    const cell = this.calls.get(node)?.cell(call)
    return cell && this.writers.get(cell)?.record
  }

  private watch(node: Node, place: Place, state: Watched, part: string | undefined, restored: (() => void)[]): void {
    const { course } = this
    const windowOf = this.windowOf(node, state, part)
    const trace = windowOf === undefined ? undefined : this.windowTrace(node, place)
    for (const cell of state.all()) {
      restored.push(() => {
        this.changed(place, state, cell, windowOf?.(cell))
        if (windowOf !== undefined) trace?.restored(cell.key, windowOf(cell))
      })
    }
    const touch = state.touch.bind(state)
    state.touch = (cell) => {
      touch(cell)
      const window = windowOf?.(cell)
      this.changed(place, state, cell, window)
      if (window === undefined || trace === undefined) return
      const { key } = cell
      if (part !== 'closed') {
        if (cell.deleted) trace.removed(key, window, course.record)
        else trace.changed(key, window, course.record)
      } else if (cell.deleted) trace.freed(key, window, course.record)
      else trace.kept(key, window)
    }
  }

  private changed(place: Place, state: Watched, cell: Cell<unknown>, window: Window | undefined): void {
    const { course } = this
    const before = this.writers.get(cell)
    const at = window === undefined && state instanceof SeriesState ? (cell as { at?: number }).at : undefined
    const isDeleted = cell.deleted
    const event = course.follow(place, {
      type: 'state',
      state: state.name,
      key: cell.key,
      window,
      at,
      value: isDeleted ? undefined : copyOf(peek(cell)),
      isDeleted,
      was: before?.event,
    })
    this.writers.set(cell, { event, record: course.record?.event ?? before?.record })
    if (isDeleted && course.record === undefined) course.kept = before?.record
  }

  // ---- what joins look up

  /** Another node's row. */
  private watchLookups(owner: Node, state: CellState<Key, unknown>): void {
    const look = state.cell.bind(state)
    state.cell = (key) => {
      const cell = look(key)
      const { node } = this.course
      if (node !== undefined && node !== owner) this.course.met = cell && this.writers.get(cell)?.record
      return cell
    }
  }

  /** The other side's records, one after the other. */
  private watchMatches(state: SeriesState<unknown>): void {
    const { course, writers } = this
    const between = state.between.bind(state)
    state.between = (key, from, to) => {
      const found = between(key, from, to)
      function* met() {
        for (let n = 0; n < found.length; n++) {
          const cell = found[n] as (typeof found)[number]
          course.met = writers.get(cell)?.record
          yield cell
        }
        course.met = undefined
      }
      return Object.defineProperty([...found], Symbol.iterator, { value: met })
    }
  }

  // ---- windows

  private windowTrace(node: Node, place: Place): WindowTrace {
    let trace = this.windows.get(node)
    if (trace === undefined) {
      const { kind = '', closesAfterMs = Number.POSITIVE_INFINITY } = node.windowing ?? {}
      trace = new WindowTrace(kind, closesAfterMs, (change) => this.course.follow(place, { type: 'window', ...change }))
      this.windows.set(node, trace)
    }
    return trace
  }

  /** Of a state that holds windows: which one a cell is of. */
  private windowOf(
    { definition, windowing }: Node,
    state: Watched,
    part: string | undefined,
  ): ((cell: Cell<unknown>) => Window) | undefined {
    if (definition.windowing !== 'resolves' || windowing === undefined) return undefined
    const { sizeMs } = windowing
    if (state instanceof WindowState && sizeMs !== undefined)
      return (cell) => {
        const { start } = cell as Cell<unknown> & { readonly start: number }
        return { start, end: start + sizeMs }
      }
    if (!(state instanceof SeriesState) || (part !== undefined && part !== 'closed')) return undefined
    return (cell) => {
      const { at: end, seq: start } = cell as Cell<unknown> & { readonly at: number; readonly seq: number }
      return { start, end }
    }
  }
}

/** State is changed in place; events stay what they were. */
function copyOf(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  try {
    return structuredClone(value)
  } catch {
    // Functions and the like, which only states in memory can hold.
    return value
  }
}
