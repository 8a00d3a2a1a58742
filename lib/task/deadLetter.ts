import { show, TidemarkError } from '../record/errors.js'

/** Puts a record that goes wrong into a topic. */
export interface DeadLetter {
  readonly is: 'deadLetter'
  readonly topic: string
}

/**
 * A policy for records that go wrong: the record goes to another topic, as it was read, and the app goes on.
 *
 * ```ts
 * const app = createApp({ id: 'spend', broker: embedded(), store: memory(), onError: deadLetter('orders-dead') })
 * ```
 *
 * The dead letter has the key, value, timestamp and headers that the source topic has, byte for byte, and behind those headers the error, the place, the
 * stage, the operator and the app. It is written with the checkpoint, in its transaction where there is one: the record has then had no effect, but that
 * its timestamp counts for its source's time, as that of a record that a `filter` leaves out. A topic that isn't there is created, with as many partitions as the
 * widest that the app reads, and keeps its records whatever their age.
 *
 * @throws TidemarkError `BAD_OPTION` for what is no topic's name
 */
export function deadLetter(topic: string): DeadLetter {
  if (!/^[A-Za-z0-9._-]{1,249}$/.test(topic))
    throw new TidemarkError(
      'BAD_OPTION',
      `deadLetter: the topic's name may hold letters, digits, '.', '_' and '-' only; got ${show(topic)}`,
    )
  return { is: 'deadLetter', topic }
}
