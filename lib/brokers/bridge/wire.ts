import type { ServerMessage } from '../rules/bridgeMessages.js'

/** The way to one client, be it a WebSocket or an event stream. */
export interface Wire {
  /** Begins to tell; called once, before anything is sent. */
  listen(listener: WireListener): void
  send(message: ServerMessage, body?: Uint8Array): void
  /**
   * Bytes that wait to be taken by the network. While they are more than `FULL_BYTES`, no more records should be sent; `drained` of the session tells
   * when they no longer are.
   */
  readonly waitingBytes: number
  /** Ends it, once what was sent has gone. */
  close(): void
  /** Ends it at once. */
  cut(): void
}

/** What a wire tells its session. */
export interface WireListener {
  /** A message, not checked yet. */
  message(value: unknown): void
  /** What came is no message at all. */
  refuse(error: unknown): void
  drained(): void
  closed(): void
}

/** Bytes that may wait for the network per client. */
export const FULL_BYTES = 1 << 20
