import type { Expected } from './oracle.js'

/** A record as a topic holds it. */
export interface Found {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  readonly key: string
  readonly value: string
  /** When the broker took it, ms since the epoch. */
  readonly at: number
}

export interface Difference {
  readonly kind: 'lost' | 'duplicated' | 'disordered'
  readonly topic: string
  readonly key: string
  readonly value: string
  /** None for what is lost. */
  readonly found?: Found
}

/** What is expected of one key of a topic. */
interface Line {
  readonly topic: string
  readonly key: string
  /** Each value's place, and those that have not come. */
  readonly places: ReadonlyMap<string, number>
  readonly missing: Set<string>
  furthest: number
}

/**
 * Compares records, those of a partition in the order of their offsets, with what was expected.
 *
 * Lost: expected and nowhere. Duplicated: there more often than expected, which may be not at all. Disordered: there for the first time after
 * a record of its key that has to follow it.
 */
export class Comparison {
  private readonly lines = new Map<string, Line>()
  private readonly wrong: Difference[] = []
  /** Expected records that have not come. */
  missing = 0

  constructor(expected: Expected) {
    for (const [topic, keys] of expected) {
      for (const [key, values] of keys) {
        const places = new Map(values.map((value, place) => [value, place]))
        this.lines.set(`${topic}/${key}`, { topic, key, places, missing: new Set(values), furthest: -1 })
        this.missing += values.length
      }
    }
  }

  add(found: Found): void {
    const { topic, key, value } = found
    const line = this.lines.get(`${topic}/${key}`)
    if (!line?.missing.delete(value)) {
      this.wrong.push({ kind: 'duplicated', topic, key, value, found })
      return
    }
    this.missing--
    const place = line.places.get(value) as number
    if (place < line.furthest) this.wrong.push({ kind: 'disordered', topic, key, value, found })
    line.furthest = Math.max(line.furthest, place)
  }

  get differences(): Difference[] {
    const lost = [...this.lines.values()].flatMap(({ topic, key, missing }) =>
      Array.from(missing, (value): Difference => ({ kind: 'lost', topic, key, value })),
    )
    return [...this.wrong, ...lost]
  }
}
