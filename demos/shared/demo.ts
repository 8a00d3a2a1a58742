import type { App } from 'tidemark'
import type { TailRecord } from './tail.js'

/** A record that a generator makes. */
export interface Happening {
  readonly topic: string
  readonly key: string
  readonly value: unknown
  /** Event time, ms since the epoch. */
  readonly timestamp: number
}

/** A pipeline with all that is needed to run and show it, in Node or in a page. */
export interface Demo {
  /** Of the app, and on the command line. */
  readonly name: string
  /** What the pipeline reads and a feed writes, beyond its facts. */
  readonly inputs: readonly string[]
  readonly outputs: readonly string[]
  /** Those with facts, and of inputs and outputs those that hold the latest value of each key. */
  readonly compacted: readonly string[]
  /** What one calls its records. */
  readonly noun: string
  /** Records per second, if nobody says otherwise. */
  readonly rate: number
  build(app: App): unknown
  /** Known before all else. */
  facts(seed: number): Iterable<Happening>
  /** Without an end, in order of arrival. The n-th depends on the seed and on n alone. */
  happenings(seed: number): Iterable<Happening>
  board(): Board
}

/** What a terminal shows of a demo's outputs. */
export interface Board {
  /** Takes in the next record of an output. Returns the line that tells of it, if it is worth one. */
  take(topic: string, record: TailRecord<any>): string | undefined
  /** The counts so far, in a few words. */
  figures(): string
  /** Further lines, below them. */
  table(): readonly string[]
}

/** All of them. */
export const topicsOf = ({ inputs, outputs, compacted }: Demo): string[] => [
  ...new Set([...inputs, ...outputs, ...compacted]),
]
