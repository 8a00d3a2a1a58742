import { element } from './element.js'

/** A share, from 0 to 1, beside the figure that says it. */
export const bar = (share: number, colour = 'var(--tide)') =>
  element('span', { class: 'bar', 'aria-hidden': 'true', style: `--share:${share.toFixed(3)};--bar:${colour}` })
