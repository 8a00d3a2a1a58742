import { type Duration, durationMs } from '../record/duration.js'
import type { TraceEvent } from '../task/traceEvent.js'
import { dayText, timeText } from './axis.js'
import { Camera } from './camera.js'
import { Details } from './details.js'
import { firstFrom } from './firstFrom.js'
import { listenToKeys, listenToPointers } from './gestures.js'
import { html } from './html.js'
import { type Layout, layoutOf } from './layout.js'
import { legend } from './legend.js'
import { type Lineage, lineageOf } from './lineage.js'
import { marbleText, valueText } from './marbleText.js'
import { Painter } from './painter.js'
import { type Lane, type Marble, Scene } from './scene.js'
import { STYLE } from './style.js'
import { themeOf } from './theme.js'

export interface MarbleViewOptions {
  /** How much event time is in view at first. Default `'5m'`. */
  readonly span?: Duration
  /** Names of the operators to draw, in this order. Default: all that emit, but sinks. */
  readonly lanes?: readonly string[]
  /** What lanes are called, by the operator's name. */
  readonly titles?: { readonly [operator: string]: string }
  /** Lines per lane, over which keys are spread. Default 4. */
  readonly rows?: number
  /** Marbles that are kept, the oldest go first. Default 10,000. */
  readonly keep?: number
  /** A record's value as a short text. Default: JSON. */
  readonly format?: (value: unknown) => string
  /** What a screen reader calls the view. Default `Marbles in event time`. */
  readonly label?: string
}

/** A view of a trace in event time. */
export interface MarbleView {
  /** Takes what a tracer tells. */
  readonly add: (event: TraceEvent) => void
  /** Id of the last event taken. */
  readonly last: number
  /** Forgets all that was told after that event: for a replay that seeks back. */
  truncate(id: number): void
  /** Whether the view moves on with time. */
  follow: boolean
  /** Brings a stretch of event time into view, in ms. */
  show(from: number, to: number): void
  /** Takes everything away. */
  destroy(): void
}

/**
 * Draws a trace in event time: a lane per operator, records as marbles, windows as brackets, the watermark as a line.
 *
 * ```ts
 * const view = marbleView(document.querySelector('#marbles'), { span: '10m' })
 * const app = createApp({ id: 'spend', broker: embedded(), store: memory(), trace: tracer(view.add) })
 * ```
 *
 * Keys: arrows move from record to record and from lane to lane, Home and End to the first and last, Enter shows a record and Escape closes it, `+` `-` zoom, Shift
 * with arrows moves time, `0` shows all, `f` follows. Draws in a shadow root within `element`, and only when something has changed.
 */
export function marbleView(element: HTMLElement, options: MarbleViewOptions = {}): MarbleView {
  return new View(element, options)
}

class View implements MarbleView {
  private readonly scene: Scene
  private readonly camera: Camera
  private readonly painter: Painter
  private readonly details: Details
  private readonly shadow: ShadowRoot
  private readonly root = html('div', { class: 'root' })
  private readonly body = html('div', { class: 'body' })
  private readonly stage: HTMLElement
  private readonly canvas = html('canvas', { 'aria-hidden': 'true' })
  private readonly live = html('div', { class: 'sr', role: 'status' })
  private readonly day = html('div', { class: 'day', 'aria-hidden': 'true' })
  private readonly tip = html('div', { class: 'tip', 'aria-hidden': 'true', hidden: true })
  private readonly empty = html('div', { class: 'empty' }, 'No records yet')
  private readonly followButton = html('button', { type: 'button', 'aria-pressed': 'true' }, 'Follow')
  private readonly rows = new Map<
    Lane,
    { readonly row: HTMLElement; readonly cell: HTMLElement; readonly about: HTMLElement }
  >()
  private readonly format: (value: unknown) => string
  private layout: Layout = { width: 0, height: 0, left: 0, isNarrow: false, strips: [] }
  private cursor: Marble | undefined
  private lineage: Lineage | undefined
  private frame = 0
  private drawnAt = 0
  private readonly ending = new AbortController()
  private readonly calm = matchMedia('(prefers-reduced-motion: reduce)')

  constructor(
    element: HTMLElement,
    private readonly options: MarbleViewOptions,
  ) {
    const { span = '5m', rows = 4, keep = 10_000, label = 'Marbles in event time' } = options
    this.format = options.format ?? valueText
    this.scene = new Scene({ lanes: options.lanes, rows, keep })
    this.camera = new Camera(durationMs(span, 'marbleView: span', 1))
    this.stage = html('div', {
      class: 'stage',
      role: 'grid',
      tabindex: 0,
      'aria-label': label,
      'aria-readonly': 'true',
    })
    this.details = new Details({
      format: this.format,
      nameOf: (marble) => this.titleOf(marble.lane),
      colourOf: (marble) => themeOf(this.root).keys[marble.colour] as string,
      go: (marble) => this.open(marble),
      close: () => this.close(),
    })
    this.stage.append(this.canvas, this.day, this.empty, this.tip)
    this.body.append(this.stage, this.details.element)
    this.root.append(html('div', { class: 'frame' }, legend(), this.buttons(), this.body), this.live)
    this.shadow = element.shadowRoot ?? element.attachShadow({ mode: 'open' })
    this.shadow.append(html('style', {}, STYLE), this.root)
    this.painter = new Painter(this.canvas, themeOf(this.root))
    this.listen()
  }

  // ---- what users call

  readonly add = (event: TraceEvent): void => {
    this.scene.add(event, performance.now())
    this.draw()
  }

  get last(): number {
    return this.scene.last
  }

  truncate(id: number): void {
    this.scene.truncate(id)
    this.cursor = undefined
    this.close()
    this.draw()
  }

  get follow(): boolean {
    return this.camera.isFollowing
  }

  set follow(follows: boolean) {
    this.camera.isFollowing = follows
    this.draw()
  }

  show(from: number, to: number): void {
    this.camera.show(from, to)
    this.draw()
  }

  destroy(): void {
    this.ending.abort()
    cancelAnimationFrame(this.frame)
    this.shadow.replaceChildren()
  }

  // ---- frames

  /** Asks for a frame, unless one is due already. */
  private draw(): void {
    if (this.frame === 0 && !this.ending.signal.aborted) this.frame = requestAnimationFrame((now) => this.paint(now))
  }

  private paint(at: number): void {
    this.frame = 0
    const { scene, camera } = this
    const now = performance.now()
    const elapsed = Math.min(100, at - this.drawnAt)
    this.drawnAt = at
    const width = this.stage.clientWidth
    if (width === 0) return
    const isCalm = this.calm.matches
    let moves = camera.follow(this.newest, elapsed, isCalm)
    const before = this.layout
    this.layout = layoutOf(scene, width)
    if (!isSamePlace(before, this.layout)) this.placeRows()
    moves =
      this.painter.draw({
        scene,
        layout: this.layout,
        camera: this.wholePixels(width - this.layout.left),
        now,
        isCalm,
        cursor: this.cursor,
        lineage: this.lineage,
      }) || moves
    this.empty.hidden = scene.size > 0
    this.day.textContent = scene.size > 0 ? `${dayText(Math.max(0, camera.from))} UTC` : ''
    this.followButton.setAttribute('aria-pressed', String(camera.isFollowing))
    if (moves) this.draw()
    else this.summarise()
  }

  /** What a lane's cell says as long as no record of it is chosen. */
  private summarise(): void {
    for (const [lane, { cell }] of this.rows) {
      if (lane === this.cursor?.lane) continue
      const text = this.summaryOf(lane)
      if (cell.textContent !== text) cell.textContent = text
    }
  }

  private summaryOf(lane: Lane): string {
    const time = this.scene.timeOf(lane)
    const open = [...lane.brackets.values()].filter(({ isClosed }) => !isClosed).length
    return [
      `${lane.marbles.length} records`,
      ...(lane.dropped > 0 ? [`${lane.dropped} dropped`] : []),
      ...(lane.brackets.size > 0 ? [`${open} open windows`] : []),
      ...(time === undefined ? [] : [`time ${timeText(time)}`]),
    ].join(', ')
  }

  /** Moved by whole pixels, things keep their distances. */
  private wholePixels(width: number) {
    const { from, span } = this.camera
    const scale = (width * (globalThis.devicePixelRatio || 1)) / span
    const start = Math.round(from * scale) / scale
    return { from: start, span, to: start + span }
  }

  /** Of records and of time, unless that is at its end. */
  private get newest(): number {
    let newest = this.scene.newest
    for (const lane of this.scene.lanes) {
      const time = this.scene.timeOf(lane) ?? newest
      if (time > newest && Number.isFinite(time)) newest = time
    }
    return newest
  }

  private placeRows(): void {
    const { layout } = this
    this.root.classList.toggle('narrow', layout.isNarrow)
    for (const [lane, { row }] of this.rows) {
      if (layout.strips.some((strip) => strip.lane === lane)) continue
      row.remove()
      this.rows.delete(lane)
    }
    layout.strips.forEach(({ lane, top, height }, index) => {
      const { row } = this.rowOf(lane, index)
      row.style.top = `${top}px`
      row.style.height = `${height}px`
      row.style.width = layout.isNarrow ? '100%' : `${layout.left}px`
      this.stage.append(row)
    })
  }

  private rowOf(lane: Lane, index: number) {
    const known = this.rows.get(lane)
    if (known !== undefined) return known
    const about = html('span', {}, aboutOf(lane))
    const cell = html('div', { role: 'gridcell', id: `cell-${index}-${lane.id}`, class: 'sr' })
    const row = html(
      'div',
      { role: 'row', class: 'row' },
      html('div', { role: 'rowheader', class: 'name' }, html('b', {}, this.titleOf(lane)), about),
      cell,
    )
    const made = { row, cell, about }
    this.rows.set(lane, made)
    return made
  }

  private titleOf(lane: Lane): string {
    return this.options.titles?.[lane.name] ?? lane.name
  }

  // ---- the cursor

  private move(marble: Marble | undefined): void {
    if (marble === undefined) return
    this.cursor = marble
    this.camera.isFollowing = false
    this.camera.reveal(marble.time)
    const text = marbleText(marble, this.titleOf(marble.lane), this.format)
    for (const [lane, { row, cell }] of this.rows) {
      const isHere = lane === marble.lane
      cell.textContent = isHere ? text : this.summaryOf(lane)
      cell.setAttribute('aria-selected', String(isHere))
      row.classList.toggle('active', isHere)
      if (isHere) this.stage.setAttribute('aria-activedescendant', cell.id)
    }
    this.live.textContent = text
    this.draw()
  }

  /** To the n-th marble before or after the cursor in its lane. */
  private step(by: number): void {
    const { cursor } = this
    if (cursor === undefined) {
      this.move(this.nearest(0))
      return
    }
    const { marbles } = cursor.lane
    this.move(marbles[Math.max(0, Math.min(marbles.length - 1, marbles.indexOf(cursor) + by))])
  }

  /** To a lane above or below that has a marble: the nearest in time. */
  private stepLane(by: number): void {
    const { lanes } = this.scene
    const { cursor } = this
    if (cursor === undefined) {
      this.move(this.nearest(by > 0 ? 0 : lanes.length - 1))
      return
    }
    const at = lanes.indexOf(cursor.lane)
    const ahead = by > 0 ? lanes.slice(at + 1) : lanes.slice(0, at).reverse()
    for (const lane of ahead) {
      const found = nearestIn(lane, cursor.time)
      if (found === undefined) continue
      this.move(found)
      return
    }
  }

  /** In the first lane from there on that has a marble: the one in the middle of the view. */
  private nearest(from: number): Marble | undefined {
    const { lanes } = this.scene
    const time = this.camera.from + this.camera.span * 0.7
    for (const lane of [...lanes.slice(from), ...lanes]) {
      const found = nearestIn(lane, time)
      if (found !== undefined) return found
    }
    return undefined
  }

  private open(marble: Marble | undefined): void {
    if (marble === undefined) return
    this.move(marble)
    this.lineage = lineageOf(this.scene, marble)
    this.details.show(this.lineage)
    this.body.classList.add('open')
    this.details.element.focus({ preventScroll: true })
    this.draw()
  }

  private close(): void {
    this.lineage = undefined
    this.details.hide()
    if (!this.body.classList.contains('open')) return
    this.body.classList.remove('open')
    this.stage.focus({ preventScroll: true })
    this.draw()
  }

  private all(): void {
    const { oldest } = this.scene
    const newest = this.newest
    if (!Number.isFinite(oldest) || !Number.isFinite(newest)) return
    const margin = Math.max(10, (newest - oldest) * 0.05)
    this.show(oldest - margin, newest + margin)
  }

  // ---- events of the page

  private buttons(): HTMLElement {
    const button = (label: string, text: string, run: () => void) => {
      const made = html('button', { type: 'button', 'aria-label': label, title: label }, text)
      made.onclick = run
      return made
    }
    this.followButton.onclick = () => {
      this.follow = !this.follow
    }
    return html(
      'div',
      { class: 'buttons' },
      this.followButton,
      button('Zoom out', '−', () => this.zoom(1.5, 0.5)),
      button('Zoom in', '+', () => this.zoom(1 / 1.5, 0.5)),
      button('Show all', 'All', () => this.all()),
    )
  }

  private zoom(factor: number, around: number): void {
    this.camera.zoom(factor, around)
    this.draw()
  }

  private pan(part: number): void {
    this.camera.pan(part)
    this.draw()
  }

  private listen(): void {
    const { signal } = this.ending
    listenToKeys(this.stage, signal, {
      step: (by) => this.step(by),
      stepLane: (by) => this.stepLane(by),
      toEdge: (isLast) => {
        const lane = this.cursor?.lane ?? this.nearest(0)?.lane
        this.move(isLast ? lane?.marbles.at(-1) : lane?.marbles[0])
      },
      open: () => this.open(this.cursor ?? this.nearest(0)),
      close: () => this.close(),
      zoom: (factor) => this.zoom(factor, 0.5),
      pan: (part) => this.pan(part),
      all: () => this.all(),
      follow: () => {
        this.follow = !this.follow
      },
    })
    listenToPointers(this.stage, signal, {
      layout: () => this.layout,
      camera: this.camera,
      pan: (part) => this.pan(part),
      zoom: (factor, around) => this.zoom(factor, around),
      tap: (marble) => (marble === undefined ? this.close() : this.open(marble)),
      hover: (marble, x, y) => this.hover(marble, x, y),
    })
    const size = new ResizeObserver(() => this.draw())
    size.observe(this.stage)
    signal.addEventListener('abort', () => size.disconnect())
    for (const query of ['(prefers-color-scheme: dark)', '(forced-colors: active)'])
      matchMedia(query).addEventListener('change', () => this.recolour(), { signal })
    this.draw()
  }

  private recolour(): void {
    this.painter.colours = themeOf(this.root)
    this.draw()
  }

  private hover(marble: Marble | undefined, x: number, y: number): void {
    this.tip.hidden = marble === undefined
    if (marble === undefined) return
    this.tip.textContent = `${marbleText(marble, this.titleOf(marble.lane), this.format)}`
    const half = Math.min(140, this.layout.width / 2)
    this.tip.style.left = `${Math.max(half, Math.min(this.layout.width - half, x))}px`
    this.tip.style.top = `${y}px`
  }
}

function isSamePlace(a: Layout, b: Layout): boolean {
  return (
    a.width === b.width &&
    a.height === b.height &&
    a.strips.length === b.strips.length &&
    a.strips.every(({ lane, top }, index) => b.strips[index]?.lane === lane && b.strips[index]?.top === top)
  )
}

/** `tumblingWindow 60000 ms` as `tumbling 1m`. */
function aboutOf({ node }: Lane): string {
  const { windows, role, kind, operator } = node
  if (windows === undefined) return role === 'source' ? 'source' : kind === operator ? '' : kind
  return windows.replace('Window', '').replace(/\d+ ms/g, (text) => shortDuration(Number.parseInt(text, 10)))
}

function shortDuration(ms: number): string {
  for (const [size, unit] of [
    [86_400_000, 'd'],
    [3_600_000, 'h'],
    [60_000, 'm'],
    [1_000, 's'],
  ] as const)
    if (ms >= size && ms % size === 0) return `${ms / size}${unit}`
  return `${ms}ms`
}

function nearestIn({ marbles }: Lane, time: number): Marble | undefined {
  const at = firstFrom(marbles, time)
  const [before, after] = [marbles[at - 1], marbles[at]]
  if (before === undefined || after === undefined) return before ?? after
  return time - before.time <= after.time - time ? before : after
}
