import type { WindowedRecord } from '../record/record.js'
import { Course, type OpenNode, type Place, type Tell } from './course.js'
import type { AnyRecord, DropReason } from './definition.js'
import type { Node } from './node.js'
import type { Scope } from './scope.js'
import type { SentRecords } from './sentRecords.js'
import { StateTrace } from './stateTrace.js'
import { describeWindowing } from './windowing.js'

/** Whose time is told of. */
interface Followed {
  readonly place: Place
  /** None: a plain Observable's. */
  readonly node?: Node
  readonly read: () => number
  /** As it was told last. */
  last: number
}

/** What goes on in one task: wraps what its nodes ask of it, before they are set up, and what they do with records, afterwards. */
export class TaskTrace {
  private readonly graph: string
  private readonly ids = new Map<Node, string>()
  private readonly clocks: Followed[] = []
  private readonly course: Course
  private readonly states: StateTrace

  constructor(
    tell: Tell,
    private readonly sent: SentRecords,
    private readonly scope: Scope,
  ) {
    this.course = new Course(tell)
    this.states = new StateTrace(this.course)
    const { id } = scope.info
    this.graph = id.split('_')[0] as string
    sent.forget(id)
    const dispatch = scope.dispatch.bind(scope)
    scope.dispatch = (run) => {
      dispatch(run)
      this.noteTimes()
      if (scope.isAdvancing) return
      this.settle()
      this.course.arrival = undefined
    }
    scope.dispatchRecord = (take, input, record) => scope.dispatch(() => take(input, record))
  }

  /** @returns what is to be done once the node has been set up */
  follow(node: Node): () => void {
    const id = `${this.graph}.${this.ids.size}`
    this.ids.set(node, id)
    const place: Place = { task: this.scope.info.id, node: id, operator: nameOf(node) }
    this.watchEmissions(node, place)
    this.watchFirings(node, place)
    const tellRestored = this.states.follow(node, place)
    return () => {
      const entries = this.watchRecords(node, place)
      this.tellNode(node, place, entries)
      const read = () => (node.source === undefined ? node.time() : node.pull())
      this.clocks.push({ place, node, read, last: Number.NEGATIVE_INFINITY })
      tellRestored()
    }
  }

  private tellNode(node: Node, place: Place, entries: readonly (Place | undefined)[]): void {
    const { definition } = node
    const { role } = definition
    const windowing = definition.windowing === 'resolves' ? node.windowing : undefined
    this.course.tell(place, undefined, {
      type: 'node',
      kind: definition.kind,
      role: role?.is,
      inputs: node.inputs.map((input, index) => {
        const entry = entries[index]
        return entry === undefined ? input.edges.flatMap(({ from }) => this.ids.get(from) ?? []) : [entry.node]
      }),
      topic: role?.is === 'source' || role?.is === 'sink' ? role.topic : undefined,
      windows: windowing && describeWindowing(windowing),
      closesAfterMs: windowing?.closesAfterMs,
    })
  }

  // ---- time

  private noteTimes(): void {
    for (const clock of this.clocks) {
      const time = clock.read()
      if (!(time > clock.last)) continue
      clock.last = time
      this.course.tell(clock.place, this.course.arrival, { type: 'time', time })
    }
  }

  /** A record has come from outside. */
  private arrive(event: number): void {
    this.settle()
    this.course.arrival = event
    this.noteTimes()
  }

  /** What was due has come out. */
  private settle(): void {
    for (const { node, last } of this.clocks) {
      const windows = node && this.states.windows.get(node)
      windows?.closeUntil(last)
      windows?.settled()
    }
  }

  // ---- records

  private watchRecords(node: Node, place: Place): (Place | undefined)[] {
    const { course } = this
    const entries = node.inputs.map((_, index) => this.entry(node, place, index))
    const { handlers } = node
    const handle = handlers.record.bind(handlers)
    handlers.record = (record: AnyRecord, input: number) => {
      const entry = entries[input]
      let from = course.passing
      if (entry !== undefined) {
        from = course.tell(entry, undefined, { type: 'out', record, of: undefined, met: undefined })
        this.arrive(from)
      }
      const event = course.tell(place, from, { type: 'in', input, record })
      course.during(node, event, { event, timestamp: record.timestamp }, () => {
        try {
          handle(record as never, input)
        } finally {
          this.states.windows.get(node)?.handled()
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
    this.course.tell(place, undefined, {
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
    const { course } = this
    const open: OpenNode = node
    const { emit, write } = node
    const countDrop = node.countDrop.bind(node)
    const dropped = (reason: DropReason, record: AnyRecord | undefined) => {
      course.tell(place, course.cause(), { type: 'dropped', reason, record })
      countDrop(reason)
    }
    open.emit = (given) => {
      const record = given as AnyRecord
      const isArrival = node.source !== undefined
      const cause = isArrival ? this.otherEnd(node, record) : course.cause()
      const event = course.tell(place, cause, { type: 'out', record, of: this.madeOf(node, record), met: course.met })
      if (isArrival) this.arrive(event)
      const outer = course.passing
      course.passing = event
      try {
        emit(given)
      } finally {
        course.passing = outer
      }
      if (isArrival) this.noteTimes()
    }
    open.drop = (record, reason) => dropped(reason, record)
    open.countDrop = (reason) => dropped(reason, undefined)
    open.write = (given) => {
      const { topic, partition, timestamp } = given
      const key = given.key === null ? null : keyOf(node, given.key)
      const event = course.tell(place, course.cause(), { type: 'sent', topic, partition, key, timestamp })
      if (key !== undefined && node.definition.role?.is === 'writer')
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
    return (window && this.states.windows.get(node)?.eventOf(key, window)) ?? this.course.kept
  }

  // ---- what comes out by itself

  private watchFirings(node: Node, place: Place): void {
    const { course } = this
    const open: OpenNode = node
    const { fires, later, onBehalf } = node
    open.fires = (firing) =>
      fires({
        due: () => firing.due(),
        ...(firing.waiting !== undefined && { waiting: (key) => firing.waiting?.(key) ?? [] }),
        fireNext: () => {
          this.noteTimes()
          const time = firing.due()
          const tell = () => course.tell(place, course.arrival, { type: 'fired', time })
          course.during(node, tell, undefined, () => firing.fireNext())
        },
      })
    open.later = (run) =>
      later(() => {
        course.arrival = undefined
        course.during(node, () => course.tell(place, undefined, { type: 'fired', time: undefined }), undefined, run)
      })
    open.onBehalf = (attempt) => {
      course.kept = this.states.recordOfCall(node, attempt.call)
      return onBehalf(attempt)
    }
  }
}

/** A written key as it was; undefined if its serde only writes. */
function keyOf(node: Node, key: Uint8Array): unknown {
  try {
    return node.target().keySerde.deserialize(key)
  } catch {
    // Who looks on changes nothing.
    return undefined
  }
}

/** A sink has the name of its topic, after `to`: there may be an operator of that name. */
function nameOf({ definition: { role }, operator }: Node): string {
  if (role?.is === 'source') return role.topic
  return role?.is === 'sink' ? `to ${role.topic}` : operator
}
