import type { PartitionRange } from '../../ports/broker.js'
import type { ErrorCode, ErrorPlace } from '../../record/errors.js'

// What the two sides of a bridge say to each other; docs/bridge.md has the whole protocol.

/** Raised when the sides would no longer understand each other. */
export const PROTOCOL = 1

/** Over HTTP: which connection a POST belongs to. */
export const SESSION_HEADER = 'tidemark-session'

/** Whoever hears nothing for so many heartbeats takes the connection for dead. */
export const SILENT_BEATS = 3

/** What a client asks for once (`topics`, `ranges`) or from now on (`open`), by an id of its own choosing. */
export type ClientMessage =
  | { readonly type: 'hello'; readonly protocol: number; readonly token?: string | undefined }
  | { readonly type: 'topics'; readonly id: number; readonly names?: readonly string[] | undefined }
  | { readonly type: 'ranges'; readonly id: number; readonly topic: string }
  | OpenMessage
  /** The server may send so many bytes more. */
  | { readonly type: 'credit'; readonly id: number; readonly bytes: number }
  | { readonly type: 'close'; readonly id: number }
  | { readonly type: 'pong' }

export interface OpenMessage {
  readonly type: 'open'
  readonly id: number
  readonly topic: string
  readonly partition: number
  /** Null: the start of the log. */
  readonly from: number | null
  /** Up to here, not including it; else it goes on for ever. */
  readonly to?: number | undefined
  /** Bytes of batches that the server may send before it is granted more. The last of them may go beyond. */
  readonly credit: number
}

export type ServerMessage =
  | { readonly type: 'welcome'; readonly protocol: number; readonly heartbeatMs: number; readonly session: string }
  | { readonly type: 'topics'; readonly id: number; readonly topics: readonly (readonly [string, number])[] }
  | { readonly type: 'ranges'; readonly id: number; readonly ranges: readonly PartitionRange[] }
  /** With the records, as a chunk, behind it. */
  | { readonly type: 'batch'; readonly id: number; readonly from: number; readonly end: number }
  /** All up to `to` has been sent. */
  | { readonly type: 'end'; readonly id: number }
  /** The server goes on trying. */
  | { readonly type: 'trouble'; readonly id: number; readonly error: WireError }
  /** What was asked for under the id is over; without one, the connection is. */
  | { readonly type: 'refused'; readonly id?: number; readonly error: WireError; readonly range?: PartitionRange }
  | { readonly type: 'ping' }

/** A `TidemarkError` on its way. */
export interface WireError {
  readonly code: ErrorCode
  readonly reason: string
  readonly place?: Pick<ErrorPlace, 'topic' | 'partition' | 'offset'>
}
