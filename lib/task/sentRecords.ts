import { type Key, keyText } from '../record/key.js'

interface Sent {
  readonly event: number
  readonly task: string
}

/** Of exchanges: records that have been written and not read yet. Beyond this the oldest are forgotten: other processes read them. */
const MAX_SENT = 100_000

/** Finds the event of which a record that comes out of an exchange is the other end. */
export class SentRecords {
  private readonly byPlace = new Map<string, Sent[]>()
  private size = 0

  add(topic: string, partition: number, key: unknown, timestamp: number, sent: Sent): void {
    const place = placeOf(topic, partition, key, timestamp)
    const list = this.byPlace.get(place)
    if (list === undefined) this.byPlace.set(place, [sent])
    else list.push(sent)
    if (++this.size > MAX_SENT) this.forgetOldest()
  }

  /** A tenth at a time: one by one would cost more than all else. */
  private forgetOldest(): void {
    for (const [place, list] of this.byPlace) {
      if (this.size < MAX_SENT * 0.9) return
      this.byPlace.delete(place)
      this.size -= list.length
    }
  }

  take(topic: string, partition: number, key: unknown, timestamp: number): number | undefined {
    const place = placeOf(topic, partition, key, timestamp)
    const list = this.byPlace.get(place)
    if (list === undefined) return undefined
    if (list.length === 1) this.byPlace.delete(place)
    this.size--
    return list.shift()?.event
  }

  /** A task begins anew: it writes again what it has written since its last checkpoint. */
  forget(task: string): void {
    for (const [place, list] of this.byPlace) {
      const others = list.filter((sent) => sent.task !== task)
      this.size -= list.length - others.length
      if (others.length === 0) this.byPlace.delete(place)
      else this.byPlace.set(place, others)
    }
  }
}

const placeOf = (topic: string, partition: number, key: unknown, timestamp: number) =>
  `${topic}/${partition}/${timestamp}/${key === null ? '' : keyText(key as Key)}`
