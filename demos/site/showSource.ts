import { byId } from './element.js'

/** Shows a source, beginning where it gets interesting: with its first exported function. */
export function showSource(html: string): void {
  const code = byId('source')
  code.innerHTML = html
  const start = [...code.children].find(({ textContent }) => textContent?.startsWith('export function'))
  const pane = code.parentElement
  if (!(start instanceof HTMLElement) || pane === null) return
  // It can be scrolled with keys.
  pane.tabIndex = 0
  pane.setAttribute('role', 'region')
  pane.setAttribute('aria-label', 'Source of the pipeline')
  // What is said of it stands above it.
  pane.scrollTop = start.offsetTop - pane.offsetTop - 4 * start.offsetHeight
}
