import type { IncomingMessage, ServerResponse } from 'node:http'
import { TidemarkError } from '../../record/errors.js'
import { SESSION_HEADER } from '../rules/bridgeMessages.js'
import { parseJson } from './clientMessage.js'
import type { Session } from './session.js'
import { StreamWire } from './streamWire.js'
import type { Wire } from './wire.js'
import { wireError } from './wireError.js'

export interface HttpDoorOptions {
  readonly maxMessageBytes: number
  isOpen(): boolean
  isAllowed(request: IncomingMessage): boolean
  session(id: string): Session | undefined
  /** Begins one, or refuses it by the wire. */
  begin(wire: Wire, request: IncomingMessage): Session | undefined
}

const STATUS: { readonly [code: string]: number } = { BAD_MESSAGE: 400, NOT_AUTHORISED: 403 }

/**
 * The bridge over plain HTTP. A POST of `[hello, …]` opens an event stream; what the client has to say from then on it POSTs with the session's
 * id in a header, one request after the other.
 */
export class HttpDoor {
  constructor(private readonly options: HttpDoorOptions) {}

  handle(request: IncomingMessage, response: ServerResponse): void {
    this.answer(request, response).catch((error) => {
      if (response.headersSent) return response.destroy()
      const { code, reason } = wireError(error)
      const headers = {
        'content-type': 'application/json',
        // What is left of a body that nobody reads would be taken for the next request.
        connection: 'close',
      }
      response.writeHead(STATUS[code] ?? 500, headers).end(JSON.stringify({ code, reason }))
    })
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { origin } = request.headers
    response.setHeader('vary', 'origin')
    if (!this.options.isAllowed(request)) throw notAllowed(origin)
    if (origin !== undefined) {
      response.setHeader('access-control-allow-origin', origin)
      response.setHeader('access-control-allow-credentials', 'true')
    }
    if (request.method === 'OPTIONS') {
      const headers = {
        'access-control-allow-methods': 'POST',
        'access-control-allow-headers': `content-type, ${SESSION_HEADER}`,
        'access-control-max-age': '600',
      }
      response.writeHead(204, headers).end()
      return
    }
    if (request.method !== 'POST') throw new TidemarkError('BAD_MESSAGE', 'the bridge takes POST, or a WebSocket')
    const messages = await this.read(request)
    if (!this.options.isOpen()) return isOver(response, 503, 'the bridge is closed')
    const id = request.headers[SESSION_HEADER]
    if (id === undefined) {
      const session = this.options.begin(new StreamWire(response), request)
      for (const message of messages) session?.message(message)
      return
    }
    const session = this.options.session(String(id))
    if (!session || session.isOver) return isOver(response, 404, 'the session is over; begin another one')
    for (const message of messages) session.message(message)
    response.writeHead(204).end()
  }

  private async read(request: IncomingMessage): Promise<readonly unknown[]> {
    // A page of another origin can't send it unasked.
    if (!/^application\/json\b/.test(request.headers['content-type'] ?? ''))
      throw new TidemarkError('BAD_MESSAGE', 'the body must be application/json')
    const messages = request.readableEnded ? ownBody(request) : parseJson(await this.text(request))
    if (!Array.isArray(messages)) throw new TidemarkError('BAD_MESSAGE', 'the body must be a list of messages')
    return messages
  }

  private async text(request: IncomingMessage): Promise<string> {
    const { maxMessageBytes } = this.options
    const parts: Buffer[] = []
    let size = 0
    for await (const part of request as AsyncIterable<Buffer>) {
      size += part.length
      if (size > maxMessageBytes)
        throw new TidemarkError('BAD_MESSAGE', `a message has more than ${maxMessageBytes} bytes`)
      parts.push(part)
    }
    return Buffer.concat(parts).toString()
  }
}

/** What a body parser before us, which has read it, has made of it: where those of Express and its kin put it. */
function ownBody(request: IncomingMessage): unknown {
  const { body } = request as { body?: unknown }
  if (body === undefined)
    throw new TidemarkError(
      'BAD_MESSAGE',
      'the body has been read before the bridge was given it, and isn’t in request.body',
    )
  return typeof body === 'string' || Buffer.isBuffer(body) ? parseJson(String(body)) : body
}

function isOver(response: ServerResponse, status: number, reason: string): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify({ code: 'BAD_STATE', reason }))
}

/** The error of a page that isn't on the list. */
export function notAllowed(origin: string | undefined): TidemarkError {
  return new TidemarkError('NOT_AUTHORISED', `pages of ${origin} may not use the bridge; add it to origins`)
}
