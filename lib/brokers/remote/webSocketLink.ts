import { TidemarkError } from '../../record/errors.js'
import { decodeFrame, type Frame } from '../rules/bridgeFrames.js'
import type { ClientMessage, ServerMessage } from '../rules/bridgeMessages.js'
import type { Link, LinkListener } from './link.js'

/** What is used of a WebSocket: the browser's, Node's since 22, or that of the package ws. */
export interface WebSocketLike {
  binaryType: string
  readonly readyState: number
  send(data: string): void
  close(): void
  addEventListener(type: string, listener: (event: any) => void): void
}

export type WebSocketConstructor = new (url: string) => WebSocketLike

const OPEN = 1
/** The code of a close by a server that finds a message too large. */
const TOO_LARGE = 1009

export function webSocketLink(url: string, Socket: WebSocketConstructor, listener: LinkListener): Link {
  const socket = new Socket(url)
  const queue: ClientMessage[] = []
  let isOver = false
  const over = (reason: string | TidemarkError) => {
    if (isOver) return
    isOver = true
    listener.closed(reason)
  }
  socket.binaryType = 'arraybuffer'
  socket.addEventListener('open', () => {
    for (const message of queue.splice(0)) socket.send(JSON.stringify(message))
  })
  socket.addEventListener('message', ({ data }: { data: string | ArrayBuffer }) => {
    if (isOver) return
    let frame: Frame<ServerMessage>
    try {
      frame = typeof data === 'string' ? { message: JSON.parse(data) } : decodeFrame(new Uint8Array(data))
    } catch (error) {
      return over(`what it sent makes no sense: ${error}`)
    }
    listener.message(frame.message, frame.body)
  })
  socket.addEventListener('close', ({ code, reason }: { code: number; reason: string }) => {
    if (code === TOO_LARGE) over(new TidemarkError('BAD_MESSAGE', 'the bridge found a message too large'))
    else over(`the WebSocket was closed with ${code}${reason ? ` ${reason}` : ''}`)
  })
  // A close follows, which says as much.
  socket.addEventListener('error', () => {})
  return {
    send(message) {
      if (socket.readyState === OPEN) socket.send(JSON.stringify(message))
      else queue.push(message)
    },
    close() {
      isOver = true
      socket.close()
    },
  }
}
