/** Plain data, as the corpus holds it. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json }

/** Plain data that is there: what tables and states hold. */
export type Given = NonNullable<Json>

export const isObject = (value: unknown): value is { readonly [name: string]: Json } =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** JSON equality: the order of an object's members doesn't count. */
export function sameJson(a: unknown, b: unknown): boolean {
  if (a === b) return true
  if (Array.isArray(a) && Array.isArray(b))
    return a.length === b.length && a.every((part, index) => sameJson(part, b[index]))
  if (!isObject(a) || !isObject(b)) return false
  const names = Object.keys(a)
  return (
    names.length === Object.keys(b).length &&
    names.every((name) => Object.hasOwn(b, name) && sameJson(a[name], b[name]))
  )
}
