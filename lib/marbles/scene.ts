import { type Key, keyText } from '../record/key.js'
import type { WindowedRecord } from '../record/record.js'
import type { AnyRecord } from '../task/definition.js'
import type { TracedNode, TracedWindow, TraceEvent } from '../task/traceEvent.js'
import { firstFrom } from './firstFrom.js'
import { Palette } from './palette.js'

/** What a marble stands for; each has a shape of its own. */
export type Shape = 'record' | 'final' | 'deleted' | 'late' | 'dropped' | 'filtered'

/** A record in a lane. */
export interface Marble {
  /** The event that told of it. */
  readonly event: number
  readonly lane: Lane
  /** Event time, ms. */
  readonly time: number
  readonly key: unknown
  readonly value: unknown
  readonly record: AnyRecord | undefined
  shape: Shape
  readonly colour: number
  /** Line of its lane. */
  readonly row: number
  /** How many there are at the same place. */
  readonly stack: number
}

/** A key's window in the lane of its aggregate. */
export interface Bracket {
  readonly id: string
  event: number
  readonly key: Key
  readonly start: number
  readonly end: number
  readonly count: number | undefined
  isClosed: boolean
  readonly colour: number
  readonly row: number
  /** Of windows of a key that overlap: which line below the others. */
  readonly level: number
  /** Where it comes from, while it grows or merges. */
  readonly before: readonly { readonly start: number; readonly end: number }[]
  /** When it last changed, by the page's clock. */
  since: number
}

/** An operator. */
export interface Lane {
  readonly id: string
  readonly name: string
  readonly node: TracedNode
  /** By time. */
  marbles: Marble[]
  readonly brackets: Map<string, Bracket>
  /** What its tasks' time is. */
  readonly times: ReadonlyMap<string, number>
  /** Lines in use. */
  rows: number
  /** Overlapping windows of one key, at most. */
  levels: number
  dropped: number
}

export interface SceneOptions {
  /** Operators to show, in this order; undefined: all that emit, but sinks. */
  readonly lanes: readonly string[] | undefined
  readonly rows: number
  readonly keep: number
}

/** Events per marble that are kept to tell where it came from. */
const EVENTS_PER_MARBLE = 10
const MAX_LEVELS = 4
/** They add nothing to what came to them. */
const HIDDEN = ['root', 'writer', 'sink']
const NOT_OF_TIME = /^(count|global)Window/

/** What there is to see, made of the events of a trace. Knows nothing of pixels. */
export class Scene {
  readonly events = new Map<number, TraceEvent>()
  private nodes = new Map<string, TracedNode>()
  private byNode = new Map<string, Lane>()
  /** By node, then task; told before the node's first record too. */
  private times = new Map<string, Map<string, number>>()
  /** From the sources down. */
  lanes: readonly Lane[] = []
  /** Oldest first. */
  private queue: Marble[] = []
  /** Not drawn yet. */
  private fresh: Marble[] = []
  /** Grows when marbles are no longer what they were. */
  version = 0
  /** Nodes whose records go to others. */
  private readonly read = new Set<string>()
  private readonly palette = new Palette()
  private readonly keyRows = new Map<string, number>()
  last = 0
  /** Newest event time of a record, ms. */
  newest = Number.NEGATIVE_INFINITY
  oldest = Number.POSITIVE_INFINITY

  constructor(private readonly options: SceneOptions) {}

  get size(): number {
    return this.queue.length
  }

  /** @param now the page's clock */
  add(event: TraceEvent, now: number): void {
    this.last = event.id
    this.events.set(event.id, event)
    if (this.events.size > this.options.keep * EVENTS_PER_MARBLE) this.forgetEvent()
    switch (event.type) {
      case 'node':
        this.nodes.set(event.node, event)
        for (const input of event.inputs) for (const node of input) this.read.add(node)
        if (this.options.lanes !== undefined || event.role === 'source') this.laneOf(event.node)
        break
      case 'out':
        this.place(event, event.record, this.read.has(event.node) ? 'filtered' : shapeOf(event.record))
        break
      case 'in':
        this.arrived(event)
        break
      case 'dropped':
        if (event.record !== undefined) this.place(event, event.record, event.reason === 'late' ? 'late' : 'dropped')
        break
      case 'time':
        this.timesOf(event.node).set(event.task, event.time)
        break
      case 'window':
        this.change(event, now)
    }
  }

  /** Forgets what was told after that event. */
  truncate(id: number): void {
    const kept = [...this.events.values()].filter((event) => event.id <= id)
    const nodes = [...this.nodes.values()].filter((node) => node.id <= id)
    this.events.clear()
    this.nodes = new Map(nodes.map((node) => [node.node, node]))
    this.byNode = new Map()
    this.times = new Map()
    this.lanes = []
    this.queue = []
    this.fresh = []
    this.version++
    this.newest = Number.NEGATIVE_INFINITY
    this.oldest = Number.POSITIVE_INFINITY
    for (const event of kept) this.add(event, Number.NEGATIVE_INFINITY)
    this.last = id
  }

  /** The marble that an event told of, if it is still there. */
  marbleOf(id: number): Marble | undefined {
    const event = this.events.get(id)
    if (event === undefined) return undefined
    const marbles = this.byNode.get(event.node)?.marbles ?? []
    const time = event.type === 'out' || event.type === 'dropped' ? event.record?.timestamp : undefined
    if (time === undefined) return undefined
    for (let n = firstFrom(marbles, time); marbles[n]?.time === time; n++)
      if (marbles[n]?.event === id) return marbles[n]
    return undefined
  }

  /** The time of a lane: the lowest of its tasks'. */
  timeOf(lane: Lane): number | undefined {
    let least: number | undefined
    for (const time of lane.times.values()) if (least === undefined || time < least) least = time
    return least
  }

  // ---- lanes

  private isWanted(id: string): boolean {
    const node = this.nodes.get(id)
    return node !== undefined && node.role !== 'root' && (this.options.lanes?.includes(node.operator) ?? false)
  }

  private timesOf(id: string): Map<string, number> {
    let times = this.times.get(id)
    if (times === undefined) {
      times = new Map()
      this.times.set(id, times)
    }
    return times
  }

  private laneOf(id: string): Lane | undefined {
    const known = this.byNode.get(id)
    if (known !== undefined) return known
    const node = this.nodes.get(id)
    if (node === undefined) return undefined
    const { lanes } = this.options
    const isHidden =
      lanes === undefined ? HIDDEN.includes(node.role ?? '') || node.kind === 'changes' : !this.isWanted(id)
    if (isHidden) return undefined
    const lane: Lane = {
      id,
      name: node.operator,
      node,
      marbles: [],
      brackets: new Map(),
      times: this.timesOf(id),
      rows: 1,
      levels: 1,
      dropped: 0,
    }
    this.byNode.set(id, lane)
    const place = (one: Lane) => (lanes === undefined ? depthOf(one.id) : lanes.indexOf(one.name))
    this.lanes = [...this.byNode.values()].sort((a, b) => place(a) - place(b) || depthOf(a.id) - depthOf(b.id))
    return lane
  }

  private rowOf(key: unknown, lane: Lane): number {
    const text = key === null ? '' : keyText(key as Key)
    let row = this.keyRows.get(text)
    if (row === undefined) {
      row = this.keyRows.size % this.options.rows
      this.keyRows.set(text, row)
    }
    if (row >= lane.rows) lane.rows = row + 1
    return row
  }

  // ---- marbles

  private place(event: TraceEvent, record: AnyRecord, shape: Shape): void {
    const lane = this.laneOf(event.node)
    const time = record.timestamp
    if (lane === undefined || !Number.isFinite(time)) return
    const row = this.rowOf(record.key, lane)
    const { marbles } = lane
    let at = marbles.length
    let stack = 0
    while (at > 0 && (marbles[at - 1] as Marble).time > time) at--
    for (let n = at - 1; n >= 0 && (marbles[n] as Marble).time === time; n--)
      if ((marbles[n] as Marble).row === row) stack++
    const marble: Marble = {
      event: event.id,
      lane,
      time,
      key: record.key,
      value: record.value,
      record,
      shape,
      colour: this.palette.colourOf(record.key),
      row,
      stack,
    }
    if (at === marbles.length) marbles.push(marble)
    else marbles.splice(at, 0, marble)
    if (shape === 'late' || shape === 'dropped') lane.dropped++
    this.newest = Math.max(this.newest, time)
    this.oldest = Math.min(this.oldest, time)
    this.queue.push(marble)
    this.fresh.push(marble)
    if (this.queue.length > this.options.keep * 1.2) this.forgetMarbles()
  }

  /** A record that came out has come to another operator: no plain operator in between has kept it. */
  private arrived({ cause }: TraceEvent): void {
    const marble = cause === undefined ? undefined : this.marbleOf(cause)
    if (marble?.shape !== 'filtered' || marble.record === undefined) return
    marble.shape = shapeOf(marble.record)
    if (marble.event < (this.fresh[0]?.event ?? Number.POSITIVE_INFINITY)) this.version++
  }

  /** What has come since the last call. */
  takeFresh(): readonly Marble[] {
    const { fresh } = this
    this.fresh = []
    return fresh
  }

  /** A batch at a time: lanes are sorted otherwise. */
  private forgetMarbles(): void {
    this.version++
    // Nobody draws: a page in the background.
    if (this.fresh.length > this.options.keep) this.fresh = []
    const gone = new Set(this.queue.splice(0, this.queue.length - this.options.keep))
    for (const lane of this.lanes) lane.marbles = lane.marbles.filter((marble) => !gone.has(marble))
    this.oldest = Math.min(...this.lanes.map((lane) => lane.marbles[0]?.time ?? Number.POSITIVE_INFINITY))
    for (const { brackets } of this.lanes)
      for (const [id, { isClosed, end }] of brackets) if (isClosed && end < this.oldest) brackets.delete(id)
  }

  private forgetEvent(): void {
    this.events.delete(this.events.keys().next().value as number)
  }

  // ---- windows

  private change(event: TracedWindow, now: number): void {
    const lane = this.laneOf(event.node)
    if (lane === undefined) return
    const { key, window, change, count } = event
    // Counts of records, or all of time: no stretch of it.
    if (!lane.node.windows || NOT_OF_TIME.test(lane.node.windows)) return
    const id = `${keyText(key)}/${window.start}/${window.end}`
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
      const other = this.events.get(was)
      return other?.type === 'window' ? [other.window] : []
    })
    for (const { start, end } of before) lane.brackets.delete(`${keyText(key)}/${start}/${end}`)
    const row = this.rowOf(key, lane)
    const { start, end } = window
    const level = known?.level ?? this.levelOf(lane, key, start, end)
    const isSame = before.every((other) => other.start === start && other.end === end)
    lane.brackets.set(id, {
      id,
      event: event.id,
      key,
      start,
      end,
      count: count ?? known?.count,
      isClosed: false,
      colour: this.palette.colourOf(key),
      row,
      level,
      before: isSame ? [] : before,
      since: now,
    })
  }

  /** The first line on which no other of the key's windows is in the way. */
  private levelOf(lane: Lane, key: Key, start: number, end: number): number {
    const text = keyText(key)
    const taken = new Set<number>()
    for (const other of lane.brackets.values())
      if (other.start < end && start < other.end && keyText(other.key) === text) taken.add(other.level)
    let level = 0
    while (taken.has(level)) level++
    level %= MAX_LEVELS
    lane.levels = Math.max(lane.levels, level + 1)
    return level
  }
}

function shapeOf(record: AnyRecord): Shape {
  const { value, final } = record as WindowedRecord
  if (value === null) return 'deleted'
  return final === true ? 'final' : 'record'
}

/** Sub-topologies one after the other, in each the plan's order; what feeds an operator from outside right before it. */
function depthOf(id: string): number {
  const [graph, place] = id.split('.') as [string, string]
  const [node, input] = place.split('<')
  return (Number(graph) || 0) * 1_000_000 + Number(node) - (input === undefined ? 0 : 0.5)
}
