import type { Camera } from './camera.js'
import { firstFrom } from './firstFrom.js'
import type { Marble } from './lane.js'
import { type Layout, yOf } from './layout.js'

export interface KeyActions {
  step(by: number): void
  stepLane(by: number): void
  toEdge(isLast: boolean): void
  open(): void
  close(): void
  zoom(factor: number): void
  pan(part: number): void
  all(): void
  follow(): void
}

export function listenToKeys(stage: HTMLElement, signal: AbortSignal, act: KeyActions): void {
  const actions: { readonly [key: string]: (isShift: boolean) => void } = {
    ArrowLeft: (isShift) => (isShift ? act.pan(-0.2) : act.step(-1)),
    ArrowRight: (isShift) => (isShift ? act.pan(0.2) : act.step(1)),
    ArrowUp: () => act.stepLane(-1),
    ArrowDown: () => act.stepLane(1),
    PageUp: () => act.step(-10),
    PageDown: () => act.step(10),
    Home: () => act.toEdge(false),
    End: () => act.toEdge(true),
    Enter: () => act.open(),
    ' ': () => act.open(),
    Escape: () => act.close(),
    '+': () => act.zoom(1 / 1.5),
    '=': () => act.zoom(1 / 1.5),
    '-': () => act.zoom(1.5),
    '0': () => act.all(),
    f: () => act.follow(),
  }
  stage.addEventListener(
    'keydown',
    (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.target !== stage) return
      const action = Object.hasOwn(actions, event.key) ? actions[event.key] : undefined
      if (action === undefined) return
      event.preventDefault()
      action(event.shiftKey)
    },
    { signal },
  )
}

export interface PointerActions {
  layout(): Layout
  readonly camera: Camera
  pan(part: number): void
  zoom(factor: number, around: number): void
  tap(marble: Marble | undefined): void
  hover(marble: Marble | undefined, x: number, y: number): void
}

/** Movements below this are a tap, px. */
const TAP = 5
const REACH = 14

/** Drag to move, pinch or Ctrl with the wheel to zoom, tap to choose. The wheel alone scrolls the page. */
export function listenToPointers(stage: HTMLElement, signal: AbortSignal, act: PointerActions): void {
  const pointers = new Map<number, { x: number; y: number }>()
  let moved = 0
  const place = (event: MouseEvent) => {
    const box = stage.getBoundingClientRect()
    return { x: event.clientX - box.left, y: event.clientY - box.top }
  }
  const inner = () => {
    const { left, width } = act.layout()
    return { left, width: Math.max(1, width - left) }
  }
  const on = <E extends keyof HTMLElementEventMap>(
    type: E,
    run: (event: HTMLElementEventMap[E]) => void,
    passive = true,
  ) => stage.addEventListener(type, run, { signal, passive })

  on('pointerdown', (event) => {
    if (event.button !== 0) return
    if (pointers.size === 0) moved = 0
    pointers.set(event.pointerId, place(event))
  })
  on('pointermove', (event) => {
    const at = place(event)
    const before = pointers.get(event.pointerId)
    if (before === undefined) {
      const marble = marbleAt(act.layout(), act.camera, at.x, at.y)
      stage.style.cursor = marble === undefined ? '' : 'pointer'
      act.hover(marble, at.x, at.y)
      return
    }
    const others = [...pointers].filter(([id]) => id !== event.pointerId).map(([, other]) => other)
    pointers.set(event.pointerId, at)
    moved += Math.abs(at.x - before.x) + Math.abs(at.y - before.y)
    if (moved < TAP) return
    if (!stage.hasPointerCapture(event.pointerId)) stage.setPointerCapture(event.pointerId)
    stage.classList.add('drags')
    act.hover(undefined, 0, 0)
    const { left, width } = inner()
    const [other] = others
    if (other === undefined) act.pan((before.x - at.x) / width)
    else {
      const [old, now] = [Math.abs(before.x - other.x), Math.abs(at.x - other.x)]
      if (old > 8 && now > 8) act.zoom(old / now, ((at.x + other.x) / 2 - left) / width)
    }
  })
  const end = (event: PointerEvent) => {
    if (!pointers.delete(event.pointerId)) return
    stage.classList.remove('drags')
    if (event.type !== 'pointerup' || moved >= TAP || pointers.size > 0) return
    const { x, y } = place(event)
    act.tap(marbleAt(act.layout(), act.camera, x, y))
  }
  on('pointerup', end)
  on('pointercancel', end)
  on('pointerleave', () => act.hover(undefined, 0, 0))
  on(
    'wheel',
    (event) => {
      const { left, width } = inner()
      if (event.ctrlKey) {
        event.preventDefault()
        act.zoom(Math.exp(event.deltaY / 200), (place(event).x - left) / width)
      } else if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
        event.preventDefault()
        act.pan((event.deltaX || event.deltaY) / width)
      }
    },
    false,
  )
}

/** The marble at a place of the view, if one is near. */
export function marbleAt(layout: Layout, camera: Camera, x: number, y: number): Marble | undefined {
  const strip = layout.strips.find(({ top, height }) => y >= top && y < top + height)
  if (strip === undefined || x < layout.left) return undefined
  const scale = (layout.width - layout.left) / camera.span
  const { marbles } = strip.lane
  let nearest: Marble | undefined
  let best = REACH ** 2
  const until = camera.from + (x + REACH - layout.left) / scale
  for (let n = firstFrom(marbles, camera.from + (x - REACH - layout.left) / scale); n < marbles.length; n++) {
    const marble = marbles[n] as Marble
    if (marble.time > until) break
    const dx = layout.left + (marble.time - camera.from) * scale - x
    const distance = dx ** 2 + (yOf(strip, marble) - y) ** 2
    // Of those at one place the last is on top.
    if (distance > best) continue
    best = distance
    nearest = marble
  }
  return nearest
}
