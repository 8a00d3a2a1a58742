/** Whether two values are the same plain data: what JSON makes of them is equal, whatever the order of members. */
export function sameData(a: unknown, b: unknown): boolean {
  if (a === b) return true
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  if (Array.isArray(a) || Array.isArray(b)) {
    return Array.isArray(a) && Array.isArray(b) && a.length === b.length && a.every((item, i) => sameData(item, b[i]))
  }
  const [left, right] = [a as Data, b as Data]
  for (const name in left) if (!sameData(left[name], own(right, name))) return false
  for (const name in right) if (right[name] !== undefined && own(left, name) === undefined) return false
  return true
}

type Data = Record<string, unknown>

/** A member of the data itself: `constructor` and the like are in every object. */
const own = (data: Data, name: string) => (Object.hasOwn(data, name) ? data[name] : undefined)
