import type { Key } from '../record/key.js'
import type { Window } from '../record/record.js'
import type { AnyRecord, DropReason } from './definition.js'

interface Told {
  /** Rises by one from event to event of a tracer. */
  readonly id: number
  /** `0_3`: sub-topology 0, partition 3. A local task is called `local`. */
  readonly task: string
  /** The operator's place in the plan, the same in all tasks: `0.2`. */
  readonly node: string
  /** Its name if it has one, else its kind; of a source its topic, of a sink `to orders`. */
  readonly operator: string
  /**
   * The event that brought it about. Of a record that comes in: the one that came out before it. Of what fires: the source record that moved time; none if
   * the wall clock did, or the answer of a call.
   */
  readonly cause: number | undefined
}

/** A task has begun to run, and this is one of its operators; they are told in the order in which they get records and time. */
export interface TracedNode extends Told {
  readonly type: 'node'
  readonly kind: string
  /** What it is to the plan: `source` and `sink` of a topic, the two halves of an exchange (`writer`, `exchange`), a `side` output… */
  readonly role: string | undefined
  /** Nodes that it reads, input by input. */
  readonly inputs: readonly (readonly string[])[]
  /** The topic that it reads or writes. */
  readonly topic: string | undefined
  /** How the windows that it resolves are cut: `tumblingWindow 60000 ms`. */
  readonly windows: string | undefined
  /** From a window's end to its close, in ms. */
  readonly closesAfterMs: number | undefined
}

/** A record comes to an operator. */
export interface TracedIn extends Told {
  readonly type: 'in'
  readonly input: number
  readonly record: AnyRecord
}

/** An operator emits a record; a source does it for each that it reads. */
export interface TracedOut extends Told {
  readonly type: 'out'
  readonly record: AnyRecord
  /** What it is made of, where that isn't the cause: the last event of its window, or the record that had been kept. */
  readonly of: number | undefined
  /** In a join: the record behind the row, or the other side's record, that the cause has met. */
  readonly met: number | undefined
}

/** An operator writes a record to a topic. */
export interface TracedSent extends Told {
  readonly type: 'sent'
  readonly topic: string
  readonly partition: number
  /** Undefined if its serde can't read what it has written. */
  readonly key: unknown
  readonly timestamp: number
}

/** A record goes no further. */
export interface TracedDrop extends Told {
  readonly type: 'dropped'
  readonly reason: DropReason
  /** None if it couldn't be read. */
  readonly record: AnyRecord | undefined
}

/** Something comes out by itself: a timer, a window that closes, the answer of a call. Only told where something follows from it. */
export interface TracedFiring extends Told {
  readonly type: 'fired'
  /** When it was due, in ms; none for an answer. */
  readonly time: number | undefined
}

/** The operator's time has moved. */
export interface TracedTime extends Told {
  readonly type: 'time'
  readonly time: number
}

/** An entry of a state has changed. */
export interface TracedState extends Told {
  readonly type: 'state'
  readonly state: string
  readonly key: Key
  /** Where the state is kept by window. */
  readonly window: Window | undefined
  /** Where it is kept by place in time: that, in ms. */
  readonly at: number | undefined
  /** A copy; of what can't be copied, itself. Undefined where the entry has been deleted. */
  readonly value: unknown
  readonly isDeleted: boolean
  /** The event that left the entry as it was before; none if it is new, or was restored. */
  readonly was: number | undefined
}

/**
 * A key's window: `opened` by its first record, `updated` by another (a session grows), `merged` from several sessions, `closed` by time (a count window: as it
 * is full), `gone` as its aggregator gave null, `restored` from a checkpoint.
 */
export interface TracedWindow extends Told {
  readonly type: 'window'
  readonly change: 'opened' | 'updated' | 'merged' | 'closed' | 'gone' | 'restored'
  readonly key: Key
  readonly window: Window
  /** Records in it; unknown for one that was restored. */
  readonly count: number | undefined
  /** The last events of the windows whose place it takes: of itself, or of those that it was merged from. */
  readonly was: readonly number[]
}

/** What a tracer tells of what goes on in tasks. */
export type TraceEvent =
  | TracedNode
  | TracedIn
  | TracedOut
  | TracedSent
  | TracedDrop
  | TracedFiring
  | TracedTime
  | TracedState
  | TracedWindow
