import type { WindowedRecord } from '../record/record.js'
import type { AnyRecord } from '../task/definition.js'
import type { TracedNode, TraceEvent } from '../task/traceEvent.js'
import { EventLog } from './eventLog.js'
import { firstFrom } from './firstFrom.js'
import { KeyLooks } from './keyLooks.js'
import { type Lane, MAX_STACK, type Marble, type Shape } from './lane.js'
import { changeBrackets } from './laneWindows.js'

export interface SceneOptions {
  /** Operators to show, in this order; undefined: all that emit, but sinks. */
  readonly lanes: readonly string[] | undefined
  readonly rows: number
  readonly keep: number
}

/** Events per marble that are kept to tell where it came from. */
const EVENTS_PER_MARBLE = 10
/** They add nothing to what came to them. */
const HIDDEN = ['root', 'writer', 'sink']

/** What there is to see, made of the events of a trace. Knows nothing of pixels. */
export class Scene {
  readonly events: EventLog
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
  private readonly looks: KeyLooks
  last = 0
  /** Newest event time of a record, ms. */
  newest = Number.NEGATIVE_INFINITY
  oldest = Number.POSITIVE_INFINITY

  constructor(private readonly options: SceneOptions) {
    this.events = new EventLog(options.keep * EVENTS_PER_MARBLE)
    this.looks = new KeyLooks(options.rows)
  }

  get size(): number {
    return this.queue.length
  }

  /** @param now the page's clock */
  add(event: TraceEvent, now: number): void {
    this.last = event.id
    this.events.add(event)
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
        break
    }
  }

  /** Forgets what was told after that event. */
  truncate(id: number): void {
    const kept = this.events.until(id)
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
    const found = marbles[firstFrom(marbles, time, id)]
    return found?.event === id ? found : undefined
  }

  /** The time of a lane: the lowest of its tasks'. */
  timeOf(lane: Lane): number | undefined {
    let least: number | undefined
    for (const time of lane.times.values()) if (least === undefined || time < least) least = time
    return least
  }

  /** The newest time there is, of records and of operators, unless that is at its end. */
  get reached(): number {
    let newest = this.newest
    for (const lane of this.lanes) {
      const time = this.timeOf(lane) ?? newest
      if (time > newest && Number.isFinite(time)) newest = time
    }
    return newest
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

  private change(event: TraceEvent & { type: 'window' }, now: number): void {
    const lane = this.laneOf(event.node)
    if (lane === undefined) return
    changeBrackets(lane, event, this.looks.of(event.key), this.events, now)
    // Of a restored state, say.
    if (lane.brackets.size > this.options.keep * 1.2) forgetFirst(lane.brackets, lane.brackets.size - this.options.keep)
  }

  // ---- marbles

  private place(event: TraceEvent, record: AnyRecord, shape: Shape): void {
    const lane = this.laneOf(event.node)
    const time = record.timestamp
    if (lane === undefined || !Number.isFinite(time)) return
    const { row, colour } = this.looks.of(record.key)
    if (row >= lane.rows) lane.rows = row + 1
    const { marbles } = lane
    const at = firstFrom(marbles, time, event.id)
    let stack = 0
    for (let n = at - 1; stack < MAX_STACK && marbles[n]?.time === time; n--) if (marbles[n]?.row === row) stack++
    const marble: Marble = {
      event: event.id,
      lane,
      time,
      key: record.key,
      value: record.value,
      record,
      shape,
      colour,
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
    if (marble?.shape !== 'filtered') return
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
}

function forgetFirst(map: Map<unknown, unknown>, count: number): void {
  let left = count
  for (const key of map.keys()) {
    if (left-- <= 0) return
    map.delete(key)
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
