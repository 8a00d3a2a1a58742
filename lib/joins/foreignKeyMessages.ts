import { type Key, keyText, parseKey } from '../record/key.js'
import { json, type Serde, utf8 } from '../record/serde.js'

/** What became of a left row's foreign key; travels to whoever tells the right table's task, and to the join. */
export interface Turn<LV> {
  /** Of the left row. */
  readonly key: Key
  readonly timestamp: number
  readonly value: LV | null
  /** Whether there was a row before. */
  readonly existed: boolean
  /** Foreign keys before and now. */
  readonly from: Key | null
  readonly to: Key | null
  /** Tells this state of the row from all others that it has had. */
  readonly version: number
}

/** From the left row's task to that of the right row, whose key it has. */
export interface Subscription {
  readonly left: Key
  /** Negative: the left row was deleted. */
  readonly version: number
  /**
   * `ask`: a row, or that there is none, which ends a result. `must`: the same, but none counts whether or not there was a result. `end`: the left row no longer points here. `leave`: nor anywhere else; answer that
   * there is none.
   */
  readonly wants: 'ask' | 'must' | 'end' | 'leave'
}

/** Back to the left row's task, under the left row's key. */
export interface Answer<RV> {
  /** The left row's as of the subscription. */
  readonly version: number
  readonly row: RV | null
  /** That there is no row is to be said only if it ends a result. */
  readonly isQuiet: boolean
}

export const subscriptionSerde: Serde<Subscription> = {
  name: 'subscription',
  serialize: ({ left, version, wants }) => json<unknown>().serialize([keyText(left), version, wants]),
  deserialize(bytes) {
    const [left, version, wants] = json<[string, number, Subscription['wants']]>().deserialize(bytes)
    return { left: parseKey(left), version, wants }
  },
}

const COLON = 0x3a

/** The version in decimal; behind a colon the row, if there is one, else a question mark if it is quiet. */
export const answerSerde = <RV>(row: Serde<RV>): Serde<Answer<RV>> => ({
  name: `answer of ${row.name}`,
  serialize(answer) {
    if (answer.row === null) return utf8.encode(`${answer.version}${answer.isQuiet ? '?' : ''}`)
    const [head, body] = [utf8.encode(`${answer.version}:`), row.serialize(answer.row)]
    const bytes = new Uint8Array(head.length + body.length)
    bytes.set(head)
    bytes.set(body, head.length)
    return bytes
  },
  deserialize(bytes) {
    const colon = bytes.indexOf(COLON)
    const head = utf8.decode(colon < 0 ? bytes : bytes.subarray(0, colon))
    const isQuiet = head.endsWith('?')
    const version = Number(isQuiet ? head.slice(0, -1) : head)
    return { version, row: colon < 0 ? null : row.deserialize(bytes.subarray(colon + 1)), isQuiet }
  },
})
