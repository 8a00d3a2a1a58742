import type { TraceEvent } from 'tidemark'
import type { ReplayPosition, ReplayState } from 'tidemark/replay'

/** What the page asks of the stage. */
export type Command =
  | { readonly type: 'load'; readonly code: string }
  | { readonly type: 'open'; readonly file: Blob }
  | { readonly type: 'play' | 'pause' | 'seen' }
  | { readonly type: 'step'; readonly records: number }
  | { readonly type: 'seek'; readonly index: number }
  | { readonly type: 'speed'; readonly speed: number }

/** A recording has been opened, and the pipeline is planned over it. */
export interface Opened {
  readonly type: 'opened'
  readonly size: number
  /** Of each record of the recording, in order: ms since the epoch. */
  readonly timestamps: Float64Array
}

/** What has been told while one record was handled. */
export interface Told {
  /** The record's place, from 1 on; 0 for what comes before the first, undefined for what comes before the first after a jump. */
  readonly index: number | undefined
  readonly events: TraceEvent[]
}

/** A record that the pipeline has written. */
export interface Output {
  readonly topic: string
  readonly key: string
  readonly value: any
  readonly timestamp: number
  /** How many records had been handled when it was there. */
  readonly index: number
}

/** How things stand, and what is new. The next one comes when it has been `seen`. */
export interface Frame {
  readonly type: 'frame'
  readonly position: ReplayPosition
  readonly state: ReplayState
  readonly told: readonly Told[]
  readonly outputs: readonly Output[]
}

export interface Failed {
  readonly type: 'failed'
  readonly code: string | undefined
  readonly message: string
  /** Of the pipeline's own text, where the error is of its making. */
  readonly line: number | undefined
}

/** Comes all the time, unless the pipeline never ends. */
export interface Alive {
  readonly type: 'alive'
}

/** What the stage tells the page. */
export type Message = Opened | Frame | Failed | Alive
