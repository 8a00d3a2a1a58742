const FIRST_MARBLE = 'first marble'

/** Leaves a mark in the browser's timings when the first records are about to be drawn. */
export function markFirst(): void {
  if (performance.getEntriesByName(FIRST_MARBLE).length === 0) performance.mark(FIRST_MARBLE)
}
