import { durationMs } from '../record/duration.js'
import { wholeNumber } from '../record/wholeNumber.js'
import type { TraceEvent } from '../task/traceEvent.js'
import { dayText } from './axis.js'
import { buttons } from './buttons.js'
import { Camera } from './camera.js'
import { Details } from './details.js'
import { emptyShadow } from './emptyShadow.js'
import { listenToKeys, listenToPointers, type Point } from './gestures.js'
import { bracketsAt, marbleAt } from './hits.js'
import { html } from './html.js'
import type { Lane, Marble } from './lane.js'
import { LaneRows } from './laneRows.js'
import { type Layout, layoutOf } from './layout.js'
import { legend } from './legend.js'
import { type Lineage, lineageOf } from './lineage.js'
import { bracketText, marbleText, valueText } from './marbleText.js'
import type { MarbleView, MarbleViewOptions } from './marbleView.js'
import { Painter } from './painter.js'
import { Scene } from './scene.js'
import { nearestOf, stepInLane, stepToLane } from './steps.js'
import { STYLE } from './style.js'
import { type Theme, themeOf } from './theme.js'
import { Tip } from './tip.js'

/** Windows that are told of at once. */
const MAX_TIPS = 6

/** What {@link MarbleView} promises, put together: the page's elements, and what happens in them. */
export class View implements MarbleView {
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
  private readonly tip = new Tip()
  private readonly empty = html('div', { class: 'empty' }, 'No records yet')
  private readonly followButton = html('button', { type: 'button', 'aria-pressed': 'true' }, 'Follow')
  private readonly rows: LaneRows
  private theme: Theme
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
    const { span = '5m', label = 'Marbles in event time' } = options
    const rows = wholeNumber(options.rows ?? 4, 'marbleView: rows', 1)
    const keep = wholeNumber(options.keep ?? 10_000, 'marbleView: keep', 1)
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
      colourOf: (marble) => this.theme.keys[marble.colour] as string,
      go: (marble) => this.open(marble),
      close: () => this.close(),
    })
    this.rows = new LaneRows(this.stage, this.scene, (lane) => this.titleOf(lane))
    this.stage.append(this.canvas, this.day, this.empty, this.tip.element)
    this.body.append(this.stage, this.details.element)
    const bar = buttons(this.followButton, {
      follow: () => this.toggleFollow(),
      zoom: (factor) => this.zoom(factor, 0.5),
      all: () => this.all(),
    })
    this.root.append(html('div', { class: 'frame' }, legend(), bar, this.body), this.live)
    this.shadow = emptyShadow(element, 'marbleView')
    this.shadow.append(html('style', {}, STYLE), this.root)
    this.theme = themeOf(this.root)
    this.painter = new Painter(this.canvas, this.theme)
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
    let moves = camera.follow(scene.reached, elapsed, isCalm)
    this.layout = layoutOf(scene, width)
    this.root.classList.toggle('narrow', this.layout.isNarrow)
    this.rows.place(this.layout)
    moves =
      this.painter.draw({
        scene,
        layout: this.layout,
        camera: camera.inWholePixels(width - this.layout.left),
        now,
        isCalm,
        cursor: this.cursor,
        lineage: this.lineage,
      }) || moves
    this.empty.hidden = scene.size > 0
    this.day.textContent = scene.size > 0 ? `${dayText(Math.max(0, camera.from))} UTC` : ''
    this.followButton.setAttribute('aria-pressed', String(camera.isFollowing))
    if (moves) this.draw()
    else this.rows.summarise(this.cursor?.lane)
  }

  private titleOf(lane: Lane): string {
    return this.options.titles?.[lane.name] ?? lane.name
  }

  private textOf(marble: Marble): string {
    return marbleText(marble, this.titleOf(marble.lane), this.format)
  }

  // ---- the cursor

  private move(marble: Marble | undefined): void {
    if (marble === undefined) return
    this.cursor = marble
    this.camera.isFollowing = false
    this.camera.reveal(marble.time)
    const text = this.textOf(marble)
    this.rows.choose(marble.lane, text)
    this.live.textContent = text
    this.draw()
  }

  /** Where one begins: in the first lane that has a marble, or the last, near the newest in view. */
  private first(fromEnd = false): Marble | undefined {
    const { lanes } = this.scene
    return nearestOf(fromEnd ? lanes.toReversed() : lanes, this.camera.from + this.camera.span * 0.7)
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
    const { oldest, reached } = this.scene
    if (!Number.isFinite(oldest) || !Number.isFinite(reached)) return
    const margin = Math.max(10, (reached - oldest) * 0.05)
    this.show(oldest - margin, reached + margin)
  }

  // ---- events of the page

  private toggleFollow(): void {
    this.follow = !this.follow
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
      step: (by) => this.move(this.cursor === undefined ? this.first() : stepInLane(this.cursor, by)),
      stepLane: (by) =>
        this.move(this.cursor === undefined ? this.first(by < 0) : stepToLane(this.scene.lanes, this.cursor, by)),
      toEdge: (isLast) => {
        const lane = this.cursor?.lane ?? this.first()?.lane
        this.move(isLast ? lane?.marbles.at(-1) : lane?.marbles[0])
      },
      open: () => this.open(this.cursor ?? this.first()),
      close: () => this.close(),
      zoom: (factor) => this.zoom(factor, 0.5),
      pan: (part) => this.pan(part),
      all: () => this.all(),
      follow: () => this.toggleFollow(),
    })
    listenToPointers(this.stage, signal, {
      layout: () => this.layout,
      pan: (part) => this.pan(part),
      zoom: (factor, around) => this.zoom(factor, around),
      tap: (at) => {
        const marble = marbleAt(this.layout, this.camera, at)
        if (marble === undefined) this.close()
        else this.open(marble)
      },
      hover: (at) => this.hover(at),
    })
    const size = new ResizeObserver(() => this.draw())
    size.observe(this.stage)
    signal.addEventListener('abort', () => size.disconnect())
    for (const query of ['(prefers-color-scheme: dark)', '(forced-colors: active)'])
      matchMedia(query).addEventListener('change', () => this.recolour(), { signal })
    // Pages that change their colours by a class or a variable.
    const looks = new MutationObserver(() => this.recolour())
    for (const one of [this.shadow.host, document.documentElement])
      looks.observe(one, { attributeFilter: ['class', 'style', 'data-theme'] })
    signal.addEventListener('abort', () => looks.disconnect())
    this.draw()
  }

  private recolour(): void {
    this.theme = themeOf(this.root)
    this.painter.colours = this.theme
    this.draw()
  }

  private hover(at: Point | undefined): void {
    const marble = at && marbleAt(this.layout, this.camera, at)
    this.stage.style.cursor = marble === undefined ? '' : 'pointer'
    if (at === undefined) this.tip.hide()
    else if (marble !== undefined) this.tip.show(at, [this.textOf(marble)], this.layout.width)
    else {
      const windows = bracketsAt(this.layout, this.camera, at).slice(0, MAX_TIPS)
      this.tip.show(at, windows.map(bracketText), this.layout.width)
    }
  }
}
