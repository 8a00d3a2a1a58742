import type { Window, WindowedRecord } from '../record/record.js'
import type { AnyRecord, DropReason } from './definition.js'
import type { Node } from './node.js'
import type { Scope } from './scope.js'
import type { SentRecords } from './sentRecords.js'
import { SeriesState } from './seriesState.js'
import { type Cell, type CellState, WindowState } from './state.js'
import type { TraceEvent } from './traceEvent.js'
import type { Teller, Unnumbered } from './tracer.js'
import { describeWindowing } from './windowing.js'
import { WindowTrace } from './windowTrace.js'

type Writable<T> = { -readonly [Name in keyof T]: T[Name] }

/** A state with the one method through which all its changes go. */
interface Watched {
  readonly name: string
  touch(cell: Cell<unknown>): void
  all(): Iterable<Cell<unknown>>
}

/** What all events of an operator have. */
interface Place {
  readonly task: string
  readonly node: string
  readonly operator: string
}

/** The record that an operator handles. */
interface Handled {
  readonly event: number
  readonly timestamp: number
}

type Details<E = Unnumbered<TraceEvent>> = E extends unknown ? Omit<E, 'task' | 'node' | 'operator' | 'cause'> : never

/** What goes on in one task: wraps what its nodes ask of it, before they are set up, and what they do with records, afterwards. */
export class TaskTrace {
  private readonly graph: string
  private readonly ids = new Map<Node, string>()
  /** What is told as the cause: an event, or one that is told only if it becomes a cause. */
  private current: number | (() => number) | undefined
  /** What the operator whose turn it is handles; undefined for what comes out by itself. */
  private record: Handled | undefined
  /** The event of the record that is on its way from one node to the next. */
  private passing: number | undefined
  /** What comes out by itself is made of. */
  private kept: number | undefined
  /** The source record that is being handled, up to the end of the advance that it brings about. */
  private arrival: number | undefined
  private readonly clocks: { readonly place: Place; readonly read: () => number; last: number }[] = []
  private readonly windows = new Map<Node, WindowTrace>()
  /** Who wrote an entry of a state last: the event of the change, and that of the record behind it. */
  private readonly writers = new WeakMap<
    Cell<unknown>,
    { readonly event: number; readonly record: number | undefined }
  >()

  constructor(
    private readonly teller: Teller,
    private readonly sent: SentRecords,
    private readonly scope: Scope,
  ) {
    const { id } = scope.info
    this.graph = id.split('_')[0] as string
    sent.forget(id)
    const dispatch = scope.dispatch.bind(scope)
    scope.dispatch = (run) => {
      dispatch(run)
      this.noteTimes()
      if (!scope.isAdvancing) this.arrival = undefined
    }
    scope.dispatchRecord = (take, input, record) => scope.dispatch(() => take(input, record))
  }

  /** @returns what is to be done once the node has been set up */
  follow(node: Node): () => void {
    const id = `${this.graph}.${this.ids.size}`
    this.ids.set(node, id)
    const { role } = node.definition
    const topic = role?.is === 'source' || role?.is === 'sink' ? role.topic : undefined
    const place: Place = {
      task: this.scope.info.id,
      node: id,
      operator: role?.is === 'sink' ? `to ${topic}` : (topic ?? node.operator),
    }
    const restored: (() => void)[] = []
    this.watchEmissions(node, place)
    this.watchFirings(node, place)
    this.watchStates(node, place, restored)
    return () => {
      const entries = this.watchRecords(node, place)
      this.tell(place, undefined, {
        type: 'node',
        kind: node.definition.kind,
        role: role?.is,
        inputs: node.inputs.map((input, index) =>
          entries[index] === undefined
            ? input.edges.flatMap(({ from }) => this.ids.get(from) ?? [])
            : [entries[index].node],
        ),
        topic,
        windows:
          node.definition.windowing === 'resolves' && node.windowing !== undefined
            ? describeWindowing(node.windowing)
            : undefined,
        closesAfterMs: node.definition.windowing === 'resolves' ? node.windowing?.closesAfterMs : undefined,
      })
      const read = () => (node.source === undefined ? node.time() : node.pull())
      this.clocks.push({ place, read, last: Number.NEGATIVE_INFINITY })
      for (const tell of restored) tell()
    }
  }

  private tell(place: Place, cause: number | undefined, details: Details): number {
    return this.teller.tell({ ...details, ...place, cause } as Unnumbered<TraceEvent>)
  }

  private cause(): number | undefined {
    if (typeof this.current === 'function') this.current = this.current()
    return this.current
  }

  /** Runs something whose events have that cause. */
  private during<T>(current: number | (() => number), record: Handled | undefined, run: () => T): T {
    const { current: outer, record: outerRecord, passing, kept } = this
    this.current = current
    this.record = record
    this.passing = undefined
    this.kept = undefined
    try {
      return run()
    } finally {
      this.current = outer
      this.record = outerRecord
      this.passing = passing
      this.kept = kept
    }
  }

  private noteTimes(): void {
    for (const clock of this.clocks) {
      const time = clock.read()
      if (!(time > clock.last)) continue
      clock.last = time
      this.tell(clock.place, this.arrival, { type: 'time', time })
    }
  }

  /** A record has come from outside. */
  private arrive(event: number): void {
    for (const windows of this.windows.values()) windows.settled()
    this.arrival = event
    this.noteTimes()
  }

  // ---- records

  private watchRecords(node: Node, place: Place): (Place | undefined)[] {
    const entries = node.inputs.map((_, index) => this.entry(node, place, index))
    const { handlers } = node
    const handle = handlers.record.bind(handlers)
    handlers.record = (record: AnyRecord, input: number) => {
      const entry = entries[input]
      let from = this.passing
      if (entry !== undefined) {
        from = this.tell(entry, undefined, { type: 'out', record, of: undefined })
        this.arrive(from)
      }
      const event = this.tell(place, from, { type: 'in', input, record })
      this.during(event, { event, timestamp: record.timestamp }, () => {
        try {
          handle(record as never, input)
        } finally {
          this.windows.get(node)?.handled()
        }
      })
      if (entry !== undefined) this.noteTimes()
    }
    return entries
  }

  /** Where a plain Observable feeds an operator, it has a place of its own, as a source would have. */
  private entry(node: Node, { task, node: id }: Place, index: number): Place | undefined {
    const input = node.inputs[index]
    if (input === undefined || input.edges.length > 0 || this.scope.tracked) return undefined
    const place: Place = { task, node: `${id}<${index}`, operator: 'in' }
    this.tell(place, undefined, {
      type: 'node',
      kind: 'source',
      role: 'source',
      inputs: [],
      topic: undefined,
      windows: undefined,
      closesAfterMs: undefined,
    })
    const { entry } = input
    const read = () =>
      entry.declared === undefined ? (entry.lanes.get(0)?.newest ?? entry.watermark) : entry.watermark
    this.clocks.push({ place, read, last: Number.NEGATIVE_INFINITY })
    return place
  }

  private watchEmissions(node: Node, place: Place): void {
    const open: Writable<Node> = node
    const { emit, write } = node
    const countDrop = node.countDrop.bind(node)
    const dropped = (reason: DropReason, record: AnyRecord | undefined) => {
      this.tell(place, this.cause(), { type: 'dropped', reason, record })
      countDrop(reason)
    }
    open.emit = (given) => {
      const record = given as AnyRecord
      const isArrival = node.source !== undefined
      const cause = isArrival ? this.otherEnd(node, record) : this.cause()
      const event = this.tell(place, cause, { type: 'out', record, of: this.madeOf(node, record) })
      if (isArrival) this.arrive(event)
      const outer = this.passing
      this.passing = event
      try {
        emit(given)
      } finally {
        this.passing = outer
      }
      if (isArrival) this.noteTimes()
    }
    open.drop = (record, reason) => dropped(reason, record)
    open.countDrop = (reason) => dropped(reason, undefined)
    open.write = (given) => {
      const { topic, partition, timestamp } = given
      const key = given.key === null ? null : node.target().keySerde.deserialize(given.key)
      const event = this.tell(place, this.cause(), { type: 'sent', topic, partition, key, timestamp })
      if (node.definition.role?.is === 'writer')
        this.sent.add(topic, partition, key, timestamp, { event, task: place.task })
      write(given)
    }
  }

  /** The event of an exchange's record before the cut. */
  private otherEnd({ definition }: Node, { topic, partition, key, timestamp }: AnyRecord): number | undefined {
    return definition.role?.is === 'exchange' ? this.sent.take(topic, partition, key, timestamp) : undefined
  }

  private madeOf(node: Node, record: AnyRecord): number | undefined {
    const { window, key } = record as WindowedRecord
    return (window && this.windows.get(node)?.eventOf(key, window)) ?? this.kept
  }

  // ---- what comes out by itself

  private watchFirings(node: Node, place: Place): void {
    const open: Writable<Node> = node
    const { fires, later, onBehalf } = node
    open.fires = (firing) =>
      fires({
        due: () => firing.due(),
        ...(firing.waiting !== undefined && { waiting: (key) => firing.waiting?.(key) ?? [] }),
        fireNext: () => {
          this.noteTimes()
          const time = firing.due()
          const tell = () => this.tell(place, this.arrival, { type: 'fired', time })
          this.during(tell, undefined, () => firing.fireNext())
        },
      })
    open.later = (run) =>
      later(() => {
        this.arrival = undefined
        this.during(() => this.tell(place, undefined, { type: 'fired', time: undefined }), undefined, run)
      })
    open.onBehalf = (attempt) => {
      const cell = this.calls.get(node)?.cell(attempt.call)
      this.kept = cell && this.writers.get(cell)?.record
      return onBehalf(attempt)
    }
  }

  /** Where a node keeps the records of its calls. */
  private readonly calls = new Map<Node, CellState<number, unknown>>()

  // ---- state

  private watchStates(node: Node, place: Place, restored: (() => void)[]): void {
    const open: Writable<Node> = node
    const { cells, windows, series } = node
    const watch = <S extends object>(given: S, part: string | undefined): S => {
      const state = given as unknown as Watched
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
          if (cell.deleted) trace.removed(key, window, this.record)
          else trace.changed(key, window, this.record)
        } else if (cell.deleted) trace.freed(key, window, this.record)
        else trace.kept(key, window)
      }
      return given
    }
    open.cells = (part) => {
      const state = watch(cells(part), part)
      if (part === undefined) this.calls.set(node, state as unknown as CellState<number, unknown>)
      return state as never
    }
    open.windows = (part) => watch(windows(part), part) as never
    open.series = (part) => watch(series(part), part) as never
  }

  private windowTrace(node: Node, place: Place): WindowTrace {
    let trace = this.windows.get(node)
    if (trace === undefined) {
      trace = new WindowTrace(node.windowing?.kind ?? '', (change) =>
        this.tell(place, this.cause(), { type: 'window', ...change }),
      )
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

  private changed(place: Place, state: Watched, cell: Cell<unknown>, window: Window | undefined): void {
    const before = this.writers.get(cell)
    const at = window === undefined && state instanceof SeriesState ? (cell as { at?: number }).at : undefined
    const isDeleted = cell.deleted
    const event = this.tell(place, this.cause(), {
      type: 'state',
      state: state.name,
      key: cell.key,
      window,
      at,
      value: isDeleted ? undefined : copyOf(cell.value),
      isDeleted,
      was: before?.event,
    })
    this.writers.set(cell, { event, record: this.record?.event ?? before?.record })
    if (isDeleted && this.record === undefined) this.kept = before?.record
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
