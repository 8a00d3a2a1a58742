import { assertWellFormed } from './mergeChanges.js'

/*
 * One ordered level key for a scope and a key: `escape(scope) NUL NUL key`, where escape turns NUL into NUL SOH.
 * An escaped scope holds no NUL NUL, so the first one in a level key ends its scope: no scope's keys lie within
 * another's range, whatever characters scopes and keys hold.
 */
const NUL = '\u0000'
const SOH = '\u0001'

/** Where an entry is kept. */
export function levelKey(scope: string, key: string): string {
  assertWellFormed('key', key)
  return scopeStart(scope) + key
}

/** The lowest level key that a scope may have, and the beginning of all of them. */
export function scopeStart(scope: string): string {
  assertWellFormed('scope', scope)
  return `${scope.replaceAll(NUL, NUL + SOH)}${NUL}${NUL}`
}

/** The first level key after a scope's. */
export function scopeEnd(start: string): string {
  return start.slice(0, -1) + SOH
}

/** The scope to which a level key belongs. */
export function scopeOf(levelKey: string): string {
  return levelKey.slice(0, levelKey.indexOf(NUL + NUL)).replaceAll(NUL + SOH, NUL)
}
