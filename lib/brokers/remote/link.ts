import type { TidemarkError } from '../../record/errors.js'
import type { ClientMessage, ServerMessage } from '../rules/bridgeMessages.js'

/** One connection to a bridge, as long as it lasts. What is sent before it is there waits for it. */
export interface Link {
  send(message: ClientMessage): void
  /** Lets go at once; nothing is heard of it any more. */
  close(): void
}

/** What a link tells. */
export interface LinkListener {
  message(message: ServerMessage, body?: Uint8Array): void
  /** It is over, or never came about. With an error if the bridge said why. */
  closed(reason: string | TidemarkError): void
}

export type OpenLink = (listener: LinkListener) => Link
