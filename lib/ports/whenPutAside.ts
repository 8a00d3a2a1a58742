/**
 * Calls `act` when the browser puts this page aside: into its back/forward cache, or frozen in the background. Such a page doesn't run and doesn't end, so
 * what it holds, it would hold for as long as nobody comes back to it. Only what `act` does at once is sure to happen before.
 *
 * @param back is called when it brings it back
 * @returns what takes both back
 */
export function whenPutAside(act: () => void, back: () => void = () => {}): () => void {
  const ifKept = (call: () => void) => (event: Event) => {
    if ((event as PageTransitionEvent).persisted) call()
  }
  // There are neither in a worker, nor in Node.
  const all: [target: EventTarget | undefined, type: string, call: (event: Event) => void][] = [
    [globalThis, 'pagehide', ifKept(act)],
    [globalThis, 'pageshow', ifKept(back)],
    [globalThis.document, 'freeze', act],
    [globalThis.document, 'resume', back],
  ]
  for (const [target, type, call] of all) target?.addEventListener?.(type, call)
  return () => {
    for (const [target, type, call] of all) target?.removeEventListener?.(type, call)
  }
}
