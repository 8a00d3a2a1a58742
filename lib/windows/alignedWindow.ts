import { alignedStrategy } from './alignedStrategy.js'
import { type WindowOptions, windowOptions } from './inWindow.js'
import type { DeclaredWindow } from './strategy.js'

/** The declaration of windows of one size whose starts are multiples of `advance`. */
export function alignedWindow(
  name: { readonly kind: string; readonly measures: string },
  sizeMs: number,
  advanceMs: number,
  options: WindowOptions,
): DeclaredWindow {
  const shared = windowOptions(name.kind, options)
  return {
    ...shared,
    ...name,
    sizeMs,
    closesAfterMs: shared.graceMs,
    reachMs: sizeMs + shared.graceMs,
    keptForMs: (retentionMs) => retentionMs - sizeMs,
    strategy: alignedStrategy(sizeMs, advanceMs),
  }
}
