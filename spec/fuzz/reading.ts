import type { TestApp } from 'tidemark/testing'

/** What a source should make of a record, by other means than its own. */
export interface Reading {
  readonly id: string
  /** It can't be read. */
  readonly isBad: boolean
  readonly key: unknown
  readonly value: any
}

export interface Format {
  readonly key: (bytes: Uint8Array) => unknown
  readonly value: (bytes: Uint8Array) => unknown
  readonly timeOf?: (record: { value: any; timestamp: number }) => unknown
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** @throws for what isn't UTF-8 */
export const asText = (bytes: Uint8Array): string => decoder.decode(bytes)

/** @throws for what isn't JSON, and for deep nesting */
export function asJson(bytes: Uint8Array): unknown {
  const value: unknown = JSON.parse(asText(bytes))
  if (depthOf(value) > 1_000) throw new RangeError('too deep')
  return value
}

/** Level by level, since the stack may not do. */
function depthOf(value: unknown): number {
  const inner = (list: unknown[]) => list.filter((one) => typeof one === 'object' && one !== null)
  let depth = 0
  for (
    let level = inner([value]);
    level.length > 0;
    level = inner(level.flatMap((one) => Object.values(one as object)))
  )
    depth++
  return depth
}

/** @throws for JSON that is no key */
export function asKey(bytes: Uint8Array): unknown {
  const key = asJson(bytes)
  const isKey = (part: unknown): boolean =>
    Array.isArray(part) ? part.every(isKey) : part !== null && typeof part !== 'object'
  if (key !== null && (!isKey(key) || depthOf(key) > 100)) throw new TypeError('no key')
  return key
}

/** What all records of a topic should be read as. */
export async function readings(t: TestApp<unknown>, topic: string, format: Format): Promise<Reading[]> {
  const found: Reading[] = []
  for (const [partition, { start, end }] of (await t.broker.ranges(topic)).entries()) {
    const reading = t.broker.read({ topic, partition }, start, end, ({ records }) => {
      for (const { key, value, timestamp, offset } of records) {
        const id = `${topic}/${partition}/${offset}`
        try {
          const record = {
            key: key === null ? null : format.key(key),
            value: value === null ? null : (format.value(value) as any),
            timestamp,
          }
          const time = format.timeOf === undefined ? timestamp : format.timeOf(record)
          const isTime = typeof time === 'number' && time >= 0 && time <= 8.64e15
          found.push({ id, isBad: !isTime, key: record.key, value: record.value })
        } catch {
          found.push({ id, isBad: true, key: null, value: null })
        }
      }
    })
    await t.clock.settle()
    await reading
  }
  return found
}
