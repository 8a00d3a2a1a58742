import type { Observable } from 'rxjs'
import type { Key } from '../record/key.js'
import { partitionOf } from '../record/partitionOf.js'
import type { StreamRecord } from '../record/record.js'
import type { Serde } from '../record/serde.js'
import { timeHeader, windowHeaders } from '../record/stamp.js'
import { badTimestamp, isTimestamp } from '../record/timestamp.js'
import { definitionOf } from './current.js'
import type { Definition, Needs, OperatorContext, TopicTarget } from './definition.js'
import { define } from './operate.js'

export interface ExchangeTraits {
  readonly name?: string
  /** Of the internal topic; default: that of what it is joined with, else JSON. */
  readonly key?: Serde<any> | undefined
  readonly value: Serde<any>
  /** Default: that of what it is joined with, else as many as its input has. */
  readonly partitions?: number | undefined
  needs?(input: number, own: Needs): Needs
}

/** What is done with a record before the cut: `send` may be called any number of times, with the key that says where to. */
export type Router<In, M> = (
  context: OperatorContext<unknown>,
  send: (message: StreamRecord<Key | null, M>) => void,
) => (record: In) => void

/**
 * The one way from task to task: before the cut a router makes messages of each record; behind it, in the tasks that own their keys, they are
 * the records of a stream. In an app they pass through an internal topic, with their writer's time; outside of one they go straight on.
 */
export function exchange<In, M>(
  kind: string,
  source: Observable<In>,
  router: Router<In, M>,
  traits: ExchangeTraits,
): Observable<StreamRecord<Key | null, M>> {
  const { name, key, value, partitions, needs } = traits
  const shared = {
    ...(name !== undefined && { name }),
    ...(needs !== undefined && { needs }),
    windowing: 'refuses' as const,
  }
  const writer: Observable<never> = define<In, never>(
    kind,
    [source],
    (context) => {
      const route = router(context, writing(context, value))
      return {
        record(record) {
          const { timestamp } = record as { readonly timestamp?: unknown }
          if (!isTimestamp(timestamp)) throw badTimestamp(timestamp)
          context.accept(timestamp)
          route(record)
        },
      }
    },
    { ...shared, role: { is: 'writer', exchange: () => reader } },
  )
  const stream = define<In, StreamRecord<Key | null, M>>(
    kind,
    [source],
    (context) => ({ record: router(context, context.emit) }),
    { ...shared, role: { is: 'exchange', key, value, partitions, writer } },
  )
  const reader = definitionOf(stream) as Definition
  return stream
}

/** Writes each message, with this task's time, to its key's partition. */
function writing(context: OperatorContext<never>, value: Serde<unknown>): (message: StreamRecord) => void {
  let target: TopicTarget | undefined
  return (message) => {
    target ??= context.target()
    const key = message.key === null ? null : target.keySerde.serialize(message.key)
    const told = context.toldTime()
    const stamp = timeHeader({
      task: context.task.writer,
      // Where nothing that goes by time has begun: here is a record all the same, and others may follow it.
      time: told < Number.POSITIVE_INFINITY ? told : Number.NEGATIVE_INFINITY,
      hasWatermark: context.hasWatermark,
      idle: false,
      isWord: false,
    })
    context.write({
      topic: target.topic,
      partition: key === null ? message.partition % target.partitions : partitionOf(key, target.partitions),
      key,
      value: message.value === null ? null : value.serialize(message.value),
      timestamp: message.timestamp,
      headers: [...windowHeaders(message), stamp],
    })
  }
}
