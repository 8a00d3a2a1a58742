import fc from 'fast-check'
import { loadAll } from '../../lib/ports/loadAll.js'
import type { StoreAdapter, StoreChanges } from '../../lib/ports/store.js'
import type { StoreConformanceOptions } from '../../lib/testing/storeConformance.js'

/** A store as plain text: no bytes, no copies, no order of commits. */
type Model = Map<string, Map<string, string>>

type Step =
  | { readonly do: 'commit'; readonly changes: readonly Change[]; readonly isAwaited: boolean }
  | { readonly do: 'clear'; readonly scope: string; readonly isAwaited: boolean }
  | { readonly do: 'check' }
  | { readonly do: 'reopen' }

interface Change {
  readonly scope: string
  readonly reset: boolean
  readonly entries: readonly (readonly [key: string, text: string | null])[]
}

const scope = fc.constantFrom('a', 'a\u0000', 'a/b', '🐋')
const key = fc.constantFrom('', 'k', 'k\u0000', 'l', '__proto__', 'é', '🐋')
// The largest make the log of a scope outgrow itself, so that it is compacted.
const text = fc.oneof(fc.string({ maxLength: 5 }), fc.constantFrom('x'.repeat(500), 'y'.repeat(40_000)))
const change: fc.Arbitrary<Change> = fc.record({
  scope,
  reset: fc.nat(7).map((n) => n === 0),
  entries: fc.array(fc.tuple(key, fc.option(text, { freq: 3, nil: null })), { maxLength: 6 }),
})
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      do: fc.constant('commit' as const),
      changes: fc.array(change, { maxLength: 4 }),
      isAwaited: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('clear' as const), scope, isAwaited: fc.boolean() }) },
  { weight: 2, arbitrary: fc.constant({ do: 'check' as const }) },
  { weight: 2, arbitrary: fc.constant({ do: 'reopen' as const }) },
)

/** Random commits, clears and restarts: a store holds what a map of maps does. */
export async function assertLikeModel(options: Required<StoreConformanceOptions>, runs: number): Promise<void> {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), async (steps) => {
      const model: Model = new Map()
      let store = await options.fresh()
      await store.open('model')
      let running: Promise<void>[] = []
      try {
        for (const each of [...steps, { do: 'check' }, { do: 'reopen' }, { do: 'check' }] as Step[]) {
          if (each.do === 'commit' || each.do === 'clear') {
            if (each.do === 'commit') running.push(store.commit(each.changes.map(asBytes)))
            else running.push(store.clear(each.scope))
            applyTo(model, each.do === 'commit' ? each.changes : [{ scope: each.scope, reset: true, entries: [] }])
            if (each.isAwaited) await running.at(-1)
          } else if (each.do === 'check') {
            await Promise.all(running)
            expect(await contentsOf(store)).toEqual(model)
          } else {
            await store.close()
            await Promise.all(running)
            running = []
            store = await options.reopen(store)
            await store.open('model')
          }
        }
      } finally {
        await store.close()
      }
    }),
    { seed: 20_261_122, numRuns: runs },
  )
}

function applyTo(model: Model, changes: readonly Change[]): void {
  for (const { scope, reset, entries } of changes) {
    const held = reset ? new Map<string, string>() : (model.get(scope) ?? new Map<string, string>())
    for (const [key, text] of entries) {
      if (text === null) held.delete(key)
      else held.set(key, text)
    }
    if (held.size > 0) model.set(scope, held)
    else model.delete(scope)
  }
}

function asBytes({ scope, reset, entries }: Change): StoreChanges {
  const bytes = entries.map(([key, text]) => [key, text === null ? null : Buffer.from(text)] as const)
  return { scope, entries: bytes, reset }
}

async function contentsOf(store: StoreAdapter): Promise<Model> {
  const contents: Model = new Map()
  for (const scope of await store.scopes()) {
    contents.set(
      scope,
      new Map(Array.from(await loadAll(store, scope), ([key, value]) => [key, Buffer.from(value).toString()])),
    )
  }
  return contents
}
