import { DARK, LIGHT } from './palette.js'

/** The colours that the canvas draws with. */
export interface Theme {
  readonly background: string
  readonly lane: string
  readonly grid: string
  readonly text: string
  readonly muted: string
  readonly tide: string
  readonly late: string
  readonly cursor: string
  readonly font: string
  readonly keys: readonly string[]
}

/** Reads them where the style sheet has them: users may set the variables on the view's element. */
export function themeOf(element: Element): Theme {
  const style = getComputedStyle(element)
  const colour = (name: string) => style.getPropertyValue(`--marbles-${name}`).trim()
  const isDark = style.getPropertyValue('--marbles-is-dark').trim() === '1'
  return {
    background: colour('background'),
    lane: colour('lane'),
    grid: colour('grid'),
    text: colour('text'),
    muted: colour('muted'),
    tide: colour('tide'),
    late: colour('late'),
    cursor: colour('cursor'),
    font: style.fontFamily,
    keys: isDark ? DARK : LIGHT,
  }
}
