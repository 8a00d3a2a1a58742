import type { Key } from '../record/key.js'
import type { Window } from '../record/record.js'
import type { Waiting } from '../task/definition.js'

/** What is to be explained. */
export interface ExplainRequest {
  /** The operator's name, or its kind where the app has one of the kind only. */
  readonly operator: string
  /** One of its windows. */
  readonly window?: Window
  /** What it keeps of that key, and until when. */
  readonly key?: Key
}

/**
 * Which rule holds time where it is:
 *
 * - `lag`: the partition has records that are still to be read
 * - `quiet`: it has none, and counts until its `idleTimeout` has passed
 * - `no idleTimeout`: it has none, and counts for ever
 * - `under way`: a call of `mapAsync` hasn't returned
 * - `writer`: a task that writes the exchange is further than its reader has heard, or runs in another process, or hasn't told its time yet
 * - `clock`: all is idle, and time goes on with the wall clock
 * - `stream time`: no watermark is declared, so that time waits for a newer record
 */
export type HoldRule = 'lag' | 'quiet' | 'no idleTimeout' | 'under way' | 'writer' | 'clock' | 'stream time'

/** What holds an operator's time where it is. */
export interface Hold {
  readonly rule: HoldRule
  /** The task in which it was found, at the end of all exchanges. */
  readonly task: string
  /** The time there, ms; -Infinity: unknown. */
  readonly time: number
  readonly operator?: string
  readonly topic?: string
  readonly partition?: number
  /** Of the task that writes the exchange. */
  readonly writer?: string
  /** The rest in words. */
  readonly text: string
}

/** How far a partition of a source is. */
export interface PartitionState {
  readonly topic: string
  readonly partition: number
  /** -Infinity: none yet. */
  readonly watermark: number
  /** The highest timestamp read; -Infinity: there was no record. */
  readonly newest: number
  /** Counts for nobody's time. */
  readonly isIdle: boolean
  /** Wall clock, ms: when its last record was handled, or when the task began. */
  readonly activeAt: number
  readonly lag: number
  /** Reading ahead has stopped: enough records wait in memory. */
  readonly isPaused: boolean
  /** It is further ahead than the slowest of its alignment group allows. */
  readonly isAhead: boolean
}

/** How far a task that writes an exchange is, as its reader has heard. */
export interface WriterState {
  /** `orders/3`: it reads partition 3 of orders. */
  readonly writer: string
  /** As `0_3`, if it runs in this process. */
  readonly task: string | undefined
  readonly time: number
  readonly isIdle: boolean
}

/** How far a source before the operator is. */
export interface SourceState {
  readonly topic: string
  readonly time: number
  /** Its partition in this task; none for a task without one. */
  readonly partition: PartitionState | undefined
  /** For the topic of an exchange. */
  readonly writers: readonly WriterState[]
}

/** One task's answer. */
export interface TaskExplanation {
  readonly task: string
  /** The operator's event time, ms; -Infinity before the first record. */
  readonly time: number
  /** What rules it. */
  readonly rule: 'watermark' | 'stream time'
  /** Of the window asked for. */
  readonly isOpen: boolean | undefined
  /** The earliest time at which something fires: a window, a timer, what waits; Infinity: nothing. */
  readonly nextDue: number
  /** What it keeps back of the key: timers, calls, unmatched records, and the windows that have it. */
  readonly waiting: readonly Waiting[]
  /** Why its time isn't further. */
  readonly heldBy: readonly Hold[]
  readonly sources: readonly SourceState[]
  /** Why the task takes no record, if it doesn't. */
  readonly waitsFor: string | undefined
}

/** Why an operator is no further, task by task. */
export interface Explanation {
  readonly operator: string
  /** `aggregate`, `process`… */
  readonly kind: string
  /** The time at which the window asked for closes: `end + grace`. */
  readonly closesAt: number | undefined
  readonly tasks: readonly TaskExplanation[]
  /** Tasks of the operator that don't run in this process, or not yet. */
  readonly elsewhere: readonly string[]
  /** All of it, for people. */
  toString(): string
}
