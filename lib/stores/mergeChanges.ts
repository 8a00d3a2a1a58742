import type { StoreChanges } from '../ports/store.js'
import { show, TidemarkError } from '../record/errors.js'

/** What a commit does to one scope: its keys are distinct, its values copies that share one buffer. */
export interface ScopeChanges {
  reset: boolean
  readonly entries: Map<string, Uint8Array | null>
}

/**
 * The changes of one commit, merged by scope and copied: callers reuse their arrays and buffers at once.
 * Changes apply in order: the last entry of a key wins, and a `reset` forgets what stood before it in the same commit.
 *
 * @throws TidemarkError `STORE_FAILED` for a scope, key or value that some store could not give back
 */
export function mergeChanges(changes: readonly StoreChanges[]): Map<string, ScopeChanges> {
  const merged = new Map<string, ScopeChanges>()
  for (const { scope, entries, reset = false } of changes) {
    assertWellFormed('scope', scope)
    const into: ScopeChanges = merged.get(scope) ?? { reset, entries: new Map() }
    merged.set(scope, into)
    if (reset) {
      into.reset = true
      into.entries.clear()
    }
    for (const [key, value] of entries) {
      assertWellFormed('key', key)
      into.entries.set(key, value === null ? null : assertBytes(value, scope, key))
    }
  }
  copyValues(merged)
  return merged
}

/** Into one buffer: a buffer for each small value would make level's commits five times slower. */
function copyValues(merged: ReadonlyMap<string, ScopeChanges>): void {
  let bytes = 0
  for (const { entries } of merged.values()) for (const value of entries.values()) bytes += value?.length ?? 0
  const copies = new Uint8Array(bytes)
  let end = 0
  for (const { entries } of merged.values()) {
    for (const [key, value] of entries) {
      if (value === null) continue
      copies.set(value, end)
      entries.set(key, copies.subarray(end, end + value.length))
      end += value.length
    }
  }
}

/** Lone surrogates all turn into the same character in UTF-8: two keys would become one. */
export function assertWellFormed(what: 'scope' | 'key', text: string): void {
  if (typeof text === 'string' && text.isWellFormed()) return
  throw new TidemarkError('STORE_FAILED', `a ${what} must be a well-formed string; got ${show(text)}`)
}

function assertBytes(value: Uint8Array, scope: string, key: string): Uint8Array {
  // Not instanceof: the bytes may come from another realm.
  if (value?.[Symbol.toStringTag] === 'Uint8Array') return value
  throw new TidemarkError(
    'STORE_FAILED',
    `a value must be a Uint8Array or null; got ${show(value)} for key ${show(key)} of scope ${show(scope)}`,
  )
}
