import type { RawData, WebSocket } from 'ws'
import { TidemarkError } from '../../record/errors.js'
import { encodeFrame } from '../rules/bridgeFrames.js'
import type { ServerMessage } from '../rules/bridgeMessages.js'
import { parseJson } from './clientMessage.js'
import { FULL_BYTES, type Wire, type WireListener } from './wire.js'

const NORMAL = 1000

/** A WebSocket: messages are texts, those with bytes behind them are binary frames. */
export class SocketWire implements Wire {
  private wasFull = false

  constructor(private readonly socket: WebSocket) {}

  listen(listener: WireListener): void {
    const { socket } = this
    socket.on('message', (data: RawData, isBinary: boolean) => {
      try {
        if (isBinary) throw new TidemarkError('BAD_MESSAGE', 'a client sends texts, not binary frames')
        listener.message(parseJson(String(data)))
      } catch (error) {
        listener.refuse(error)
      }
    })
    // It is closed after an error, by itself: with 1009 if a message was too large, with 1002 or 1007 if a frame was none.
    socket.on('error', () => {})
    socket.on('close', () => listener.closed())
    this.drained = () => listener.drained()
  }

  private drained: () => void = () => {}

  get waitingBytes(): number {
    return this.socket.bufferedAmount
  }

  private get isFull(): boolean {
    return this.waitingBytes > FULL_BYTES
  }

  send(message: ServerMessage, body?: Uint8Array): void {
    this.socket.send(body ? encodeFrame(message, body) : JSON.stringify(message), () => {
      if (!this.wasFull || this.isFull) return
      this.wasFull = false
      this.drained()
    })
    this.wasFull ||= this.isFull
  }

  close(): void {
    this.socket.close(NORMAL)
  }

  cut(): void {
    this.socket.terminate()
  }
}
