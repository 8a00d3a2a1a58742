import { createParser } from 'eventsource-parser'
import { base64 } from '../../record/base64.js'
import { type ErrorCode, TidemarkError } from '../../record/errors.js'
import { type ClientMessage, SESSION_HEADER, type ServerMessage } from '../rules/bridgeMessages.js'
import type { Link, LinkListener } from './link.js'

/** Messages in one POST: the bridge limits its size. */
const MAX_MESSAGES = 50

/** Server-Sent Events, read with `fetch`: an `EventSource` can't say anything, so it could say neither who it is nor how much it takes. */
export function eventStreamLink(url: string, listener: LinkListener): Link {
  const abort = new AbortController()
  const queue: ClientMessage[] = []
  let session: string | undefined
  let isOpening = false
  let isPosting = false
  let isOver = false

  const over = (reason: string | TidemarkError) => {
    if (isOver) return
    close()
    listener.closed(reason)
  }
  const close = () => {
    isOver = true
    abort.abort()
  }

  const post = (messages: readonly ClientMessage[]): Promise<Response> =>
    fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...(session !== undefined && { [SESSION_HEADER]: session }) },
      body: JSON.stringify(messages),
      credentials: 'include',
      cache: 'no-store',
      signal: abort.signal,
    })

  const parser = createParser({
    onEvent({ data }) {
      const [head = '', bytes] = data.split('\n')
      const message = JSON.parse(head) as ServerMessage
      if (message.type === 'welcome') session = message.session
      if (isOver) return
      listener.message(message, bytes === undefined ? undefined : (base64.decode(bytes) as Uint8Array))
      if (message.type === 'welcome') void sendQueue()
    },
  })

  async function read(): Promise<void> {
    try {
      const response = await post(queue.splice(0, 1))
      if (!response.ok || !response.body) return over(await refusal(response))
      const reader = response.body.getReader()
      const decoder = new TextDecoder()
      for (let part = await reader.read(); !part.done; part = await reader.read())
        parser.feed(decoder.decode(part.value, { stream: true }))
      over('the event stream has ended')
    } catch (error) {
      over(`the event stream broke: ${error}`)
    }
  }

  /** One POST after the other, so that the order is kept. */
  async function sendQueue(): Promise<void> {
    if (isPosting || session === undefined) return
    isPosting = true
    try {
      while (queue.length > 0 && !isOver) {
        const response = await post(queue.splice(0, MAX_MESSAGES))
        if (!response.ok) over(await refusal(response))
      }
    } catch (error) {
      over(`a message couldn't be sent: ${error}`)
    }
    isPosting = false
  }

  return {
    send(message) {
      queue.push(message)
      if (isOpening) return void sendQueue()
      isOpening = true
      void read()
    },
    close,
  }
}

/** What the bridge said, or what stands between it and us. */
async function refusal(response: Response): Promise<string | TidemarkError> {
  const { code, reason } = (await response.json().catch(() => ({}))) as { code?: ErrorCode; reason?: string }
  if (code === undefined || reason === undefined) return `the bridge answered ${response.status}`
  return code === 'BAD_STATE' ? reason : new TidemarkError(code, reason)
}
