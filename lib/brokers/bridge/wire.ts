import type { ServerMessage } from '../rules/bridgeMessages.js'

/** The way to one client, be it a WebSocket or an event stream. */
export interface Wire {
  send(message: ServerMessage, body?: Uint8Array): void
  /** Whether more waits to be taken by the network than is good for memory. `drained` of the session tells when no longer. */
  readonly isFull: boolean
  /** Ends it, once what was sent has gone. */
  close(): void
  /** Ends it at once. */
  cut(): void
}

/** What a wire tells its session. */
export interface WireListener {
  /** A message, not checked yet. */
  message(value: unknown): void
  drained(): void
  closed(): void
}

/** Bytes that may wait for the network per client. */
export const FULL_BYTES = 1 << 20
