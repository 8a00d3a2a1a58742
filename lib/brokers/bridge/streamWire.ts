import type { ServerResponse } from 'node:http'
import { base64 } from '../../record/base64.js'
import type { ServerMessage } from '../rules/bridgeMessages.js'
import type { Wire, WireListener } from './wire.js'

/** Server-Sent Events: an event is a message's JSON and, on a second line, the bytes behind it as base64. */
export class StreamWire implements Wire {
  constructor(private readonly response: ServerResponse) {}

  listen(listener: WireListener): void {
    const { response } = this
    response.writeHead(200, {
      'content-type': 'text/event-stream',
      'cache-control': 'no-store, no-transform',
      // Else a proxy of nginx's kind would gather events before it passes them on.
      'x-accel-buffering': 'no',
    })
    response.flushHeaders()
    response.on('drain', () => listener.drained())
    response.on('close', () => listener.closed())
  }

  get waitingBytes(): number {
    return this.response.writableLength
  }

  send(message: ServerMessage, body?: Uint8Array): void {
    if (this.response.writableEnded) return
    const bytes = body ? `data: ${base64.encode(body)}\n` : ''
    this.response.write(`data: ${JSON.stringify(message)}\n${bytes}\n`)
  }

  close(): void {
    this.response.end()
  }

  cut(): void {
    this.response.destroy()
  }
}
