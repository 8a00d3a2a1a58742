import { html } from './html.js'

const ITEMS: readonly (readonly [name: string, shape: string])[] = [
  ['record', '<circle cx="8" cy="7" r="5" fill="currentColor"/>'],
  ['filtered out', '<circle cx="8" cy="7" r="2.6" fill="currentColor" opacity=".5"/>'],
  [
    'final result',
    '<circle cx="8" cy="7" r="3.6" fill="currentColor"/><circle cx="8" cy="7" r="6" fill="none" stroke="currentColor"/>',
  ],
  ['taken back', '<circle cx="8" cy="7" r="4.5" fill="none" stroke="currentColor" stroke-width="1.5"/>'],
  [
    'late',
    '<path d="M8 1l6 6-6 6-6-6z" fill="none" stroke="var(--marbles-late)" stroke-width="2" stroke-linejoin="round"/><circle cx="8" cy="7" r="1.8" fill="currentColor"/>',
  ],
  [
    'window',
    '<rect x="1" y="1" width="15" height="12" rx="4" fill="none" stroke="currentColor" stroke-width="1.5"/><rect x="2" y="2" width="8" height="10" fill="currentColor" opacity=".3"/>',
  ],
  ['watermark', '<path d="M6 0v7h4v7" fill="none" stroke="var(--marbles-tide)" stroke-width="2"/>'],
]

/** What shapes mean. */
export function legend(): HTMLElement {
  const list = html('ul', { class: 'legend', 'aria-label': 'Legend' })
  for (const [name, shape] of ITEMS) {
    const item = html('li')
    // Our own drawing, no text of others.
    item.innerHTML = `<svg viewBox="0 0 16 14" aria-hidden="true">${shape}</svg>`
    item.append(name)
    list.append(item)
  }
  return list
}
