import { type MarbleView, type MarbleViewOptions, marbleView } from 'tidemark/marbles'

const FIRST_MARBLE = 'first marble'

/** A marble view that leaves a mark in the browser's timings when it gets the first record to draw. */
export function markedView(
  host: HTMLElement,
  options: MarbleViewOptions,
): Pick<MarbleView, 'add' | 'truncate' | 'destroy'> {
  const view = marbleView(host, options)
  let isMarked = performance.getEntriesByName(FIRST_MARBLE).length > 0
  return {
    add(event) {
      view.add(event)
      if (isMarked || event.type !== 'out' || options.lanes?.includes(event.operator) === false) return
      isMarked = true
      performance.mark(FIRST_MARBLE)
    },
    truncate: (id) => view.truncate(id),
    destroy: () => view.destroy(),
  }
}
