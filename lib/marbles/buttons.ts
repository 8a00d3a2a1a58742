import { html } from './html.js'

export interface ButtonActions {
  follow(): void
  zoom(factor: number): void
  all(): void
}

/** What the view's buttons do is on the keyboard too. @param followButton pressed as long as the view moves on with time */
export function buttons(followButton: HTMLButtonElement, act: ButtonActions): HTMLElement {
  const button = (label: string, text: string, run: () => void) => {
    const made = html('button', { type: 'button', 'aria-label': label, title: label }, text)
    made.onclick = run
    return made
  }
  followButton.onclick = () => act.follow()
  return html(
    'div',
    { class: 'buttons' },
    followButton,
    button('Zoom out', '−', () => act.zoom(1.5)),
    button('Zoom in', '+', () => act.zoom(1 / 1.5)),
    button('Show all', 'All', () => act.all()),
  )
}
