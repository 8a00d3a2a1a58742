/** A copy of plain data that shares nothing with it. */
export function copyData<T>(data: T): T {
  if (typeof data !== 'object' || data === null) return data
  if (Array.isArray(data)) return data.map(copyData) as T
  return Object.fromEntries(Object.entries(data).map(([name, value]) => [name, copyData(value)])) as T
}
