import type { Json } from './json.js'

/** A file of the corpus: a topology as plain data, and what Kafka Streams made of some sequences of records. */
export interface TraceFile {
  readonly name: string
  readonly doc: string
  /** What the recorded behaviour comes from, where that is not the operator's meaning. */
  readonly quirk?: string
  readonly topology: readonly TopologyNode[]
  readonly cases: readonly TraceCase[]
}

export interface TopologyNode {
  readonly id: string
  readonly op: string
  readonly [field: string]: Json
}

export interface TraceCase {
  readonly seed: number
  readonly mode: string
  readonly steps: readonly TraceStep[]
  readonly droppedTotal: number
  readonly stores: { readonly [name: string]: StoreContent }
}

export interface TraceStep {
  readonly input: {
    readonly topic: string
    readonly key: string | null
    readonly value: Json
    readonly timestamp: number
  }
  readonly outputs: readonly OutputRecord[]
  /** Absent: 0. */
  readonly dropped?: number
  /** The outputs if unmatched rows of a join come out as soon as they can, where that differs. */
  readonly eagerOutputs?: readonly OutputRecord[]
}

export interface OutputRecord {
  readonly topic: string
  readonly key: string | null
  readonly value: Json
  readonly timestamp: number
  readonly window?: KafkaWindow
}

/** A window as Kafka Streams shows it: the end of a sliding window or a session belongs to it. */
export interface KafkaWindow {
  readonly start: number
  readonly end: number
}

export type StoreKind = 'keyValue' | 'versioned' | 'window' | 'session'

export interface StoreContent {
  readonly kind: StoreKind
  readonly entries: readonly StoreEntry[]
}

/** `timestamp` is not there for sessions. */
export interface StoreEntry {
  readonly key: string
  readonly value: Json
  readonly timestamp?: number
  readonly window?: KafkaWindow
}
