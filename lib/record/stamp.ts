import type { Header, Headers, StreamRecord, WindowedRecord } from './record.js'
import { utf8 } from './serde.js'

/** What a task says about its time with each record that it writes to an internal topic. */
export interface TimeStamp {
  /** The task that wrote it. */
  readonly task: string
  /** Its watermark, or its stream time where none is declared. */
  readonly time: number
  readonly hasWatermark: boolean
  /** Its sources are all idle: its time holds back nobody. */
  readonly idle: boolean
  /** This is all that the record says: it is no record of the stream. */
  readonly isWord: boolean
}

const TIME = 'tidemark-time'
const WINDOW = 'tidemark-window'

export function timeHeader({ task, time, hasWatermark, idle, isWord }: TimeStamp): Header {
  const kind = hasWatermark ? 'w' : 's'
  return [TIME, utf8.encode(`${isWord ? kind.toUpperCase() : kind}${idle ? 'i' : '-'}${time}@${task}`)]
}

/**
 * The window of a result that goes to a topic: the key alone would not say which one it was. Stamps that a record brought along from
 * another topic say nothing of this one, and stay behind.
 */
export function windowHeaders(record: StreamRecord<unknown, unknown>): Headers {
  const { window, final } = record as WindowedRecord
  return window === undefined
    ? withoutStamps(record.headers)
    : [...withoutStamps(record.headers), [WINDOW, utf8.encode(`${window.start},${window.end},${final ? 1 : 0}`)]]
}

export function readStamps(headers: Headers): {
  time: TimeStamp | undefined
  window: Pick<WindowedRecord, 'window' | 'final'> | undefined
} {
  let time: TimeStamp | undefined
  let window: Pick<WindowedRecord, 'window' | 'final'> | undefined
  for (const [name, value] of headers) {
    if (value === null) continue
    if (name === TIME) {
      const text = utf8.decode(value)
      const at = text.indexOf('@')
      time = {
        hasWatermark: text[0] === 'w' || text[0] === 'W',
        isWord: text[0] === 'W' || text[0] === 'S',
        idle: text[1] === 'i',
        time: Number(text.slice(2, at)),
        task: text.slice(at + 1),
      }
    } else if (name === WINDOW) {
      const [start, end, final] = utf8.decode(value).split(',').map(Number)
      window = { window: { start: start as number, end: end as number }, final: final === 1 }
    }
  }
  return { time, window }
}

export const withoutStamps = (headers: Headers): Headers =>
  headers.length === 0 ? headers : headers.filter(([name]) => name !== TIME && name !== WINDOW)
