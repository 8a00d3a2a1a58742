import type { StoreAdapter } from 'tidemark'
import { type TestClock, testClock } from 'tidemark/testing'

/** A store, and a test's clock that isn't settled while the store has work under way. */
export interface Quiet {
  readonly clock: TestClock
  readonly store: StoreAdapter
}

/** Makes settling wait for a store's I/O: a disk takes longer than the few turns in which memory comes to rest. */
export function quiet(given: StoreAdapter): Quiet {
  const running = new Set<Promise<unknown>>()
  const watched = <T>(work: Promise<T>): Promise<T> => {
    running.add(work)
    const ended = () => running.delete(work)
    work.then(ended, ended)
    return work
  }
  const store: StoreAdapter = {
    name: given.name,
    // A durable store wants a name for every state, as pipelines change from one start to the next. A topology doesn't.
    durable: false,
    shared: given.shared,
    open: (app) => watched(given.open(app)),
    load: (scope, each) => watched(given.load(scope, each)),
    ...(given.claim && { claim: (scope: string) => watched((given as Required<StoreAdapter>).claim(scope)) }),
    commit: (changes) => watched(given.commit(changes)),
    clear: (scope) => watched(given.clear(scope)),
    scopes: () => watched(given.scopes()),
    ...(given.getSync && { getSync: given.getSync.bind(given) }),
    close: () => watched(given.close()),
  }
  const clock = testClock()
  return {
    store,
    clock: {
      ...clock,
      async settle() {
        await clock.settle()
        while (running.size > 0) {
          await Promise.allSettled(running)
          await clock.settle()
        }
      },
    },
  }
}
