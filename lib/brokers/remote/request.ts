import type { TidemarkError } from '../../record/errors.js'
import type { ClientMessage, ServerMessage } from '../rules/bridgeMessages.js'
import type { Connection, Exchange } from './connection.js'
import { thrownError } from './thrownError.js'

/** How long an answer is waited for, over however many links. */
export const PATIENCE_MS = 20_000

type Asked = Extract<ClientMessage, { type: 'topics' | 'ranges' }>
type Question = { [T in Asked['type']]: Omit<Extract<Asked, { type: T }>, 'id'> }[Asked['type']]
type Answer<Q extends Question> = Extract<ServerMessage, { type: Q['type'] }>

/** Asks the bridge something, again on each new link. @throws TidemarkError what it refuses with; `BROKER_UNAVAILABLE` if no answer comes */
export function request<Q extends Question>(connection: Connection, question: Q): Promise<Answer<Q>> {
  return new Promise((resolve, reject) => {
    const over = (then: () => void) => {
      clearTimeout(timer)
      connection.end(id)
      then()
    }
    const failed = (error: TidemarkError) => over(() => reject(error))
    const timer = setTimeout(() => failed(connection.unavailable()), PATIENCE_MS)
    const exchange: Exchange = {
      opening: (own) => ({ ...question, id: own }) as ClientMessage,
      heard(message) {
        if (message.type === 'refused') failed(thrownError(message.error))
        else over(() => resolve(message as Answer<Q>))
      },
      failed,
    }
    let id = 0
    id = connection.begin(exchange)
  })
}
