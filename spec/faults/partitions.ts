import { partitionOf } from '../../lib/record/partitionOf.js'
import { string } from '../../lib/record/serde.js'

export const PARTITIONS = 4

export const partition = (key: string) => partitionOf(string().serialize(key), PARTITIONS)

/** A key whose records are in that partition. */
export function keyIn(wanted: number, prefix: string): string {
  for (let n = 0; ; n++) if (partition(`${prefix}-${n}`) === wanted) return `${prefix}-${n}`
}
