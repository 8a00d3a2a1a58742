import type { Point } from './gestures.js'
import { html } from './html.js'

/** Half of what it may be wide, px. */
const HALF = 140

/** What stands beside the pointer. Screen readers have the cells of the grid instead. */
export class Tip {
  readonly element = html('div', { class: 'tip', 'aria-hidden': 'true', hidden: true })

  /** @param width of the stage, px */
  show(at: Point, texts: readonly string[], width: number): void {
    this.element.hidden = texts.length === 0
    this.element.textContent = texts.join('\n')
    const half = Math.min(HALF, width / 2)
    this.element.style.left = `${Math.max(half, Math.min(width - half, at.x))}px`
    this.element.style.top = `${at.y}px`
  }

  hide(): void {
    this.element.hidden = true
  }
}
