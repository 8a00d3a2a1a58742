import { placeOf, type RawBatch, type TopicPartition } from '../../ports/broker.js'
import { TidemarkError } from '../../record/errors.js'
import { unknownTopic } from '../rules/unknownTopic.js'
import type { ClusterClient } from './cluster.js'
import { tidemarkError } from './errors.js'
import { FetchFailed, type FetchLimits, fetchRecords } from './fetch.js'

/** Reads a stretch of a partition outside any group, one fetch after the other. */
export async function readPartition(
  cluster: ClusterClient,
  { topic, partition }: TopicPartition,
  { from, to, limits }: { from: number; to: number; limits: FetchLimits },
  each: (batch: RawBatch) => void | Promise<void>,
): Promise<void> {
  const range = (await cluster.ranges(topic))[partition]
  if (!range) throw unknownTopic(cluster.name, topic, partition)
  if (from >= to) return
  if (from < range.start || to > range.end) {
    throw new TidemarkError(
      'OFFSET_OUT_OF_RANGE',
      `${cluster.name}: can't read offsets ${from} to ${to}: the log holds ${range.start} to ${range.end}`,
      placeOf({ topic, partition, offset: from }),
    )
  }
  for (let offset = from; offset < to; ) {
    const fetchOnce = async () => {
      await cluster.know([topic])
      const node = await cluster.node(cluster.leader({ topic, partition }) ?? -1)
      const [fetched] = await fetchRecords(node, [{ topic, partition, offset }], limits)
      if (fetched?.errorCode !== 0) {
        await cluster.refresh([topic])
        throw new FetchFailed({ topic, partition }, fetched?.errorCode ?? -1)
      }
      return fetched
    }
    const { records, nextOffset, endOffset } = await cluster.retry('reading', fetchOnce).catch((error) => {
      throw tidemarkError(cluster.name, 'reading', error, placeOf({ topic, partition, offset }))
    })
    offset = nextOffset
    await each({
      topic,
      partition,
      records: nextOffset > to ? records.filter((record) => record.offset < to) : records,
      nextOffset: Math.min(nextOffset, to),
      endOffset,
    })
  }
}
