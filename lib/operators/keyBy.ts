import type { Observable, OperatorFunction } from 'rxjs'
import type { Key } from '../record/key.js'
import { partitionOf } from '../record/partitionOf.js'
import type { StreamRecord } from '../record/record.js'
import { json, type Serde } from '../record/serde.js'
import { timeHeader, windowHeaders } from '../record/stamp.js'
import { definitionOf } from '../task/current.js'
import type { AnyRecord, Definition, ExchangeRole, Handlers, OperatorContext, TopicTarget } from '../task/definition.js'
import { badTimestamp, isTimestamp } from '../task/local.js'
import { define } from '../task/operate.js'

export interface KeyByOptions<K, V> {
  /** Names the internal topic: `<app>-<name>-repartition`. Without it, the next named operator does. */
  readonly name?: string
  /** Of the internal topic; default: that of the table it is joined with, else JSON. */
  readonly key?: Serde<K>
  /** Default JSON, which refuses what it would not give back. */
  readonly value?: Serde<V>
  /** Of the internal topic; default: that of what it is joined with, else as many as its input has. */
  readonly partitions?: number
}

/**
 * Gives records another key, and brings all records of a key together in one task.
 *
 * ```
 * in                        a--b--c--|     a: 1 {user: ann}     b: 2 {user: bob}     c: 3 {user: ann}
 * keyBy(r => r.value.user)  x--y--z--|     x: ann {user: ann}   y: bob {user: bob}   z: ann {user: ann}
 * ```
 *
 * In an app this is an exchange: records pass through an internal topic, and what follows belongs to other tasks, one per partition of
 * it. Their time is the lowest over the writing tasks, which travels with the records, so a shuffle makes no record late. Outside an
 * app it only sets the key. A null key is dropped and counted. Keeps no state; timestamps stay. Kafka Streams' `selectKey` + `repartition`.
 *
 * @throws TidemarkError at planning `LOST_WINDOW` after a window; `NOT_SERIALISABLE` for what the serde can't write, `BAD_TIMESTAMP`, with the record's place
 */
export function keyBy<R extends StreamRecord<any, any>, K extends Key>(
  keyOf: (record: R) => K | null | undefined,
  options: KeyByOptions<K, R['value']> = {},
): OperatorFunction<R, StreamRecord<K, R['value']>> {
  return (source) => {
    const value = (options.value ?? json()) as Serde<unknown>
    const traits = { ...(options.name !== undefined && { name: options.name }), windowing: 'refuses' as const }
    const writer: Observable<never> = define<AnyRecord, never>(
      'keyBy',
      [source],
      (context) => write(context, keyOf as (record: AnyRecord) => unknown, value),
      {
        ...traits,
        role: { is: 'writer', exchange: () => exchange },
      },
    )
    const role: ExchangeRole = {
      is: 'exchange',
      key: options.key as Serde<unknown> | undefined,
      value,
      partitions: options.partitions,
      writer,
    }
    const reader = define<R, StreamRecord<K, R['value']>>(
      'keyBy',
      [source],
      ({ emit, drop }) => ({
        record(record) {
          const key = keyOf(record)
          if (key === null || key === undefined) drop(record, 'null key')
          else emit({ ...record, key })
        },
      }),
      { ...traits, role },
    )
    const exchange = definitionOf(reader) as Definition
    return reader
  }
}

/** The half before the cut: writes each record, with this task's time, to its key's partition. */
function write(
  context: OperatorContext<never>,
  keyOf: (record: AnyRecord) => unknown,
  valueSerde: Serde<unknown>,
): Handlers<AnyRecord> {
  let target: TopicTarget | undefined
  return {
    record(record) {
      if (!isTimestamp(record.timestamp)) throw badTimestamp(record.timestamp)
      const key = keyOf(record)
      context.accept(record.timestamp)
      if (key === null || key === undefined) {
        context.drop(record, 'null key')
        return
      }
      target ??= context.target()
      const keyBytes = target.keySerde.serialize(key)
      const stamp = timeHeader({
        task: context.task.writer,
        time: context.hasWatermark ? context.time() : context.streamTime,
        hasWatermark: context.hasWatermark,
        idle: false,
      })
      context.write({
        topic: target.topic,
        partition: partitionOf(keyBytes, target.partitions),
        key: keyBytes,
        value: record.value === null ? null : valueSerde.serialize(record.value),
        timestamp: record.timestamp,
        headers: [...windowHeaders(record), stamp],
      })
    },
  }
}
