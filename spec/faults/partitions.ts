import { partitionIn } from '../demos/demoCase.js'

export const PARTITIONS = 4

export const partition = partitionIn({ partitions: PARTITIONS })

/** A key whose records are in that partition. */
export function keyIn(wanted: number, prefix: string): string {
  for (let n = 0; ; n++) if (partition(`${prefix}-${n}`) === wanted) return `${prefix}-${n}`
}
