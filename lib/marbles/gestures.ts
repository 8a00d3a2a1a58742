import type { Layout } from './layout.js'

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

/** In the stage, px. */
export interface Point {
  readonly x: number
  readonly y: number
}

export interface PointerActions {
  layout(): Layout
  pan(part: number): void
  zoom(factor: number, around: number): void
  tap(at: Point): void
  /** @param at undefined: nowhere any more */
  hover(at: Point | undefined): void
}

/** Movements below this are a tap, px. */
const TAP = 5

/** Drag to move, pinch or Ctrl with the wheel to zoom, tap to choose. The wheel alone scrolls the page. */
export function listenToPointers(stage: HTMLElement, signal: AbortSignal, act: PointerActions): void {
  const pointers = new Map<number, Point>()
  let moved = 0
  const place = (event: MouseEvent): Point => {
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
      act.hover(at)
      return
    }
    const others = [...pointers].filter(([id]) => id !== event.pointerId).map(([, other]) => other)
    pointers.set(event.pointerId, at)
    moved += Math.abs(at.x - before.x) + Math.abs(at.y - before.y)
    if (moved < TAP) return
    if (!stage.hasPointerCapture(event.pointerId)) stage.setPointerCapture(event.pointerId)
    stage.classList.add('drags')
    act.hover(undefined)
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
    act.tap(place(event))
  }
  on('pointerup', end)
  on('pointercancel', end)
  on('pointerleave', () => act.hover(undefined))
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
