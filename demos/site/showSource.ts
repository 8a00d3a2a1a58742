import { byId } from './element.js'

/** Scrolls the source to where it gets interesting: to its first exported function. The page is laid out for that. */
export function showSource(): void {
  const code = byId('source')
  const start = [...code.children].find(({ textContent }) => textContent?.startsWith('export function'))
  const pane = code.parentElement
  if (!(start instanceof HTMLElement) || pane === null) return
  // What is said of it stands above it.
  pane.scrollTop = start.offsetTop - pane.offsetTop - 4 * start.offsetHeight
}
