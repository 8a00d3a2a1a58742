import { type ErrorFacts, readErrorFacts } from '../app/errorHeaders.js'
import type { Broker, OutRecord, RawRecord, TransactionalProducer } from '../ports/broker.js'
import { TidemarkError } from '../record/errors.js'

export interface ReplayOptions {
  readonly from: string
  /** Instead of the topics where the records were read. */
  readonly to: string | undefined
  /** Remembers how far it has come. */
  readonly group: string
  readonly isWanted: (facts: ErrorFacts) => boolean
  readonly isDryRun: boolean
}

/** Offsets that one transaction covers. */
const CHUNK = 1_000

/**
 * Puts dead letters back: key, value, timestamp and headers as the source topic had them, without the facts of the error, into the partition
 * where they were read (in another topic: that number, modulo its partitions). It takes what is there when it begins, partition by partition, and commits its
 * place with what it has put back, so that a run that was broken off is gone on with, and two at a time don't do the same twice: the older one ends with `FENCED`.
 * What the filter leaves out is passed by for good, as far as this group goes.
 *
 * @param tell gets a line for each partition, for a dry run one for each letter, and a last one with sums
 * @throws TidemarkError `UNKNOWN_TOPIC`; `BAD_OPTION` for a partition that the topic hasn't got; `BROKER_UNAVAILABLE`, `FENCED`
 */
export async function replayDeadLetters(
  broker: Broker,
  options: ReplayOptions,
  tell: (line: string) => void,
): Promise<void> {
  await broker.connect()
  try {
    const producer = options.isDryRun ? undefined : await broker.transactionalProducer(`${options.group}-letters`)
    try {
      // Ends what an older run has left open, before its place is read.
      if (producer !== undefined) await (await producer.begin()).abort()
      await replayAll(broker, producer, options, tell)
    } finally {
      await producer?.close()
    }
  } finally {
    await broker.close()
  }
}

async function replayAll(
  broker: Broker,
  producer: TransactionalProducer | undefined,
  { from, to, group, isWanted, isDryRun }: ReplayOptions,
  tell: (line: string) => void,
): Promise<void> {
  const counts = await broker.topics()
  const partitionsOf = (topic: string) => {
    const count = counts.get(topic)
    if (count === undefined) throw new TidemarkError('UNKNOWN_TOPIC', `the broker has no topic ${topic}`, { topic })
    return count
  }
  partitionsOf(from)
  const ranges = await broker.ranges(from)
  const places = new Map((await broker.committed(group, [from])).map((place) => [place.partition, place.offset]))
  const sums = { replayed: 0, unwanted: 0, foreign: 0 }
  for (const [partition, { start, end }] of ranges.entries()) {
    const before = { ...sums }
    const first = Math.max(start, places.get(partition) ?? start)
    for (let at = first; at < end; at += CHUNK) {
      const next = Math.min(at + CHUNK, end)
      const records: OutRecord[] = []
      await broker.read({ topic: from, partition }, at, next, (batch) => {
        for (const letter of batch.records) {
          const read = readErrorFacts(letter.headers)
          if (read === undefined) sums.foreign++
          else if (!isWanted(read.facts)) sums.unwanted++
          else {
            const record = { ...target(read.facts, to, partitionsOf), ...content(letter), headers: read.own }
            sums.replayed++
            records.push(record)
            if (isDryRun) tell(lineOf(from, partition, letter.offset, record, read.facts))
          }
        }
      })
      if (producer === undefined) continue
      const transaction = await producer.begin()
      if (records.length > 0) await transaction.send(records)
      await transaction.sendOffsets(group, [{ topic: from, partition, offset: next }])
      await transaction.commit()
    }
    if (first < end) tell(`${from}[${partition}] ${first} to ${end}: ${sumText(difference(sums, before), isDryRun)}`)
  }
  tell(`${from}: ${sumText(sums, isDryRun)}`)
}

function target(facts: ErrorFacts, to: string | undefined, partitionsOf: (topic: string) => number) {
  if (to !== undefined) return { topic: to, partition: facts.partition % partitionsOf(to) }
  const { topic, partition } = facts
  const partitions = partitionsOf(topic)
  if (partition < partitions) return { topic, partition }
  throw new TidemarkError(
    'BAD_OPTION',
    `a record was read in partition ${partition}, and ${topic} has ${partitions} now; pass --to ${topic} to have it put into one of these`,
    { topic, partition },
  )
}

const content = ({ key, value, timestamp }: RawRecord) => ({ key, value, timestamp })

interface Sums {
  readonly replayed: number
  readonly unwanted: number
  readonly foreign: number
}

const difference = (a: Sums, b: Sums): Sums => ({
  replayed: a.replayed - b.replayed,
  unwanted: a.unwanted - b.unwanted,
  foreign: a.foreign - b.foreign,
})

const sumText = ({ replayed, unwanted, foreign }: Sums, isDryRun: boolean) =>
  `${replayed} ${isDryRun ? 'would be put back' : 'put back'}, ${unwanted} left out by the filter, ${foreign} no dead letters`

const lineOf = (
  from: string,
  partition: number,
  offset: number,
  to: OutRecord,
  { code, stage, operator, message }: ErrorFacts,
) =>
  `${from}[${partition}]@${offset} -> ${to.topic}[${to.partition}] ${code} (${stage}, ${operator}): ${JSON.stringify(message)}`
