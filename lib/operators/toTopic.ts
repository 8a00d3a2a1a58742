import type { MonoTypeOperatorFunction } from 'rxjs'
import { checkSerde } from '../record/checkSerde.js'
import { partitionOf } from '../record/partitionOf.js'
import type { StreamRecord } from '../record/record.js'
import { json, type KeySerde, type Serde, string } from '../record/serde.js'
import { windowHeaders } from '../record/stamp.js'
import { badTimestamp, isTimestamp } from '../record/timestamp.js'
import type { TopicTarget } from '../task/definition.js'
import type { ErrorPolicy } from '../task/errorPolicy.js'
import { operate } from '../task/operate.js'

/** `key`: the serde of keys. Default for keys that are strings: UTF-8. */
export type ToTopicOptions<K, V> = KeySerde<K> & {
  /** Default: JSON. */
  readonly value?: Serde<V>
  /** What becomes of a record that can't be written. Default: as its source or the app says, else `fail`. */
  readonly onError?: ErrorPolicy
}

/** Options that can be left out where the key serde can. */
type Given<K, V> = [K] extends [string] ? [options?: ToTopicOptions<K, V>] : [options: ToTopicOptions<K, V>]

/**
 * Writes each record to a topic, and passes it on.
 *
 * ```
 * in     a--b--
 * topic  a--b--
 * out    a--b--
 * ```
 *
 * The partition follows from the key as with Kafka's Java producer; a record without a key goes to the number of its own partition, modulo
 * the topic's. The timestamp stays; a windowed result carries its window in the header `tidemark-window` as `start,end,final`,
 * and a plain record leaves out such a header that it was read with. The topic must exist.
 * With exactly-once the write becomes visible with the checkpoint that follows, else it may be repeated after a crash, never lost.
 *
 * @throws TidemarkError `BAD_OPTION`; `UNKNOWN_TOPIC` at start; `NOT_SERIALISABLE`, `BAD_TIMESTAMP` with the record's place; `NOT_PLANNED` outside an app; at planning `LOST_WINDOW`
 */
export function toTopic<R extends StreamRecord<any, any>>(
  topic: string,
  ...[options]: Given<NonNullable<R['key']>, NonNullable<R['value']>>
): MonoTypeOperatorFunction<R> {
  const keySerde = (options?.key ?? string()) as Serde<unknown>
  const { onError } = options ?? {}
  const valueSerde = (options?.value ?? json()) as Serde<unknown>
  checkSerde(keySerde, `toTopic ${topic}: key`)
  checkSerde(valueSerde, `toTopic ${topic}: value`)
  return operate<R, R>(
    'toTopic',
    (context) => {
      let target: TopicTarget | undefined
      return {
        record(record) {
          if (!isTimestamp(record.timestamp)) throw badTimestamp(record.timestamp)
          target ??= context.target()
          const key = record.key === null ? null : keySerde.serialize(record.key)
          context.write({
            topic,
            partition: key === null ? record.partition % target.partitions : partitionOf(key, target.partitions),
            key,
            value: record.value === null ? null : valueSerde.serialize(record.value),
            timestamp: record.timestamp,
            headers: windowHeaders(record),
          })
          context.emit(record)
        },
      }
    },
    {
      role: { is: 'sink', topic, key: keySerde },
      windowing: 'refuses',
      ...(onError !== undefined && { onError }),
    },
  )
}
