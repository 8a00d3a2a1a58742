import { TidemarkError } from '../record/errors.js'

/** The shadow root to draw in. @throws TidemarkError `BAD_OPTION` if something is drawn there already */
export function emptyShadow(element: HTMLElement, what: string): ShadowRoot {
  const shadow = element.shadowRoot ?? element.attachShadow({ mode: 'open' })
  if (shadow.childElementCount === 0) return shadow
  throw new TidemarkError(
    'BAD_OPTION',
    `${what}: this element shows something already; give each an element of its own`,
  )
}
