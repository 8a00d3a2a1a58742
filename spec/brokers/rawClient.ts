import { WebSocket } from 'ws'
import { decodeFrame } from '../../lib/brokers/rules/bridgeFrames.js'
import { PROTOCOL, SESSION_HEADER, type ServerMessage } from '../../lib/brokers/rules/bridgeMessages.js'
import { decodeChunk } from '../../lib/brokers/rules/chunk.js'
import type { RawRecord } from '../../lib/ports/broker.js'
import { until } from '../until.js'
import type { Transport } from './bridged.js'

type Of<T extends ServerMessage['type']> = Extract<ServerMessage, { type: T }>

/** A client that says whatever it likes, and writes down what it hears. */
export abstract class RawClient {
  readonly heard: ServerMessage[] = []
  readonly records: (RawRecord & { readonly id: number })[] = []
  /** How the connection ended: a close code of WebSocket, a status of HTTP, or `end` for that of a stream. */
  ended: number | string | undefined
  answersPings = true

  /** Sends a text as it is. */
  abstract sayText(text: string): void
  abstract close(): void

  say(message: object): void {
    this.sayText(JSON.stringify(message))
  }

  async hello(rest: object = {}): Promise<this> {
    this.say({ type: 'hello', protocol: PROTOCOL, ...rest })
    await this.hears('welcome')
    return this
  }

  /** Waits for a message of a kind, about an id if one is given. */
  async hears<T extends ServerMessage['type']>(type: T, id?: number): Promise<Of<T>> {
    const find = () => this.heard.find((one) => one.type === type && (id === undefined || (one as Of<'end'>).id === id))
    return (await until(`${type} ${id ?? ''}`, find)) as Of<T>
  }

  count(type: ServerMessage['type'], id: number): number {
    return this.heard.filter((one) => one.type === type && (one as Of<'end'>).id === id).length
  }

  values(id: number): string[] {
    return this.records.filter((one) => one.id === id).map(({ value }) => new TextDecoder().decode(value ?? undefined))
  }

  protected hear(message: ServerMessage, body?: Uint8Array): void {
    this.heard.push(message)
    if (message.type === 'ping' && this.answersPings) this.say({ type: 'pong' })
    if (message.type === 'batch' && body)
      for (const record of decodeChunk(body).records) this.records.push({ ...record, id: message.id })
  }
}

export async function rawClient(url: string, transport: Transport, origin?: string): Promise<RawClient> {
  const headers = origin === undefined ? {} : { origin }
  if (transport === 'sse') return new RawStream(url, headers)
  const client = new RawSocket(url.replace('http', 'ws'), headers)
  await until('the WebSocket', () => client.isOpen || client.ended)
  return client
}

export class RawSocket extends RawClient {
  readonly socket: WebSocket
  isOpen = false

  constructor(url: string, headers: Record<string, string>) {
    super()
    this.socket = new WebSocket(url, { headers })
    this.socket.on('open', () => {
      this.isOpen = true
    })
    this.socket.on('message', (data: Buffer, isBinary: boolean) => {
      if (!isBinary) return this.hear(JSON.parse(String(data)))
      const { message, body } = decodeFrame<ServerMessage>(data)
      this.hear(message, body)
    })
    this.socket.on('error', () => {})
    this.socket.on('close', (code) => {
      this.ended = code
    })
  }

  sayText(text: string): void {
    this.socket.send(text)
  }

  close(): void {
    this.socket.close()
  }
}

class RawStream extends RawClient {
  private isOpen = false
  private session: string | undefined
  private readonly abort = new AbortController()

  constructor(
    private readonly url: string,
    private readonly headers: Record<string, string>,
  ) {
    super()
  }

  sayText(text: string): void {
    const isFirst = !this.isOpen
    this.isOpen = true
    const session = this.session === undefined ? {} : { [SESSION_HEADER]: this.session }
    void fetch(this.url, {
      method: 'POST',
      body: `[${text}]`,
      headers: { 'content-type': 'application/json', ...this.headers, ...session },
      signal: this.abort.signal,
    })
      .then(async (response) => {
        if (!response.ok) {
          this.hear({ type: 'refused', error: await response.json() })
          this.ended = response.status
        } else if (isFirst) await this.read(response)
      })
      .catch(() => {
        this.ended ??= 'broken'
      })
  }

  close(): void {
    this.abort.abort()
  }

  private async read(response: Response): Promise<void> {
    let rest = ''
    for await (const part of response.body as unknown as AsyncIterable<Uint8Array>) {
      const events = (rest + new TextDecoder().decode(part)).split('\n\n')
      rest = events.pop() ?? ''
      for (const event of events) {
        const [head = '', bytes] = event.split('\n').map((line) => line.slice('data: '.length))
        const message = JSON.parse(head) as ServerMessage
        if (message.type === 'welcome') this.session = message.session
        this.hear(message, bytes === undefined ? undefined : Buffer.from(bytes, 'base64'))
      }
    }
    this.ended = 'end'
  }
}
