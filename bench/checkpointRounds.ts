import { runtimeOf } from '../lib/app/app.js'
import {
  aggregate,
  count,
  createApp,
  embedded,
  json,
  NO_HEADERS,
  type StoreAdapter,
  type StoreChanges,
} from '../lib/index.js'
import { systemClock } from '../lib/ports/systemClock.js'
import { utf8 } from '../lib/record/serde.js'
import { handledBy } from './rounds.js'

const CHANGES = 100
const SENT_AT_ONCE = 10_000

export interface CheckpointCost {
  readonly entries: number
  /** Handed to the store. */
  readonly bytes: number
  /** Written by the store for each, what it writes anew now and then included; undefined where nobody knows. */
  readonly writtenBytes: number | undefined
  readonly medianMs: number
  readonly longestMs: number
  /** How often the store has written its state anew. */
  readonly compactions: number
}

export interface StoreMeter {
  /** Bytes written since the process began. */
  written(): number | undefined
  compactions(): number
}

/** Checkpoints of an app that keeps so many keys, each after 100 of them have changed. */
export async function checkpointRounds(
  store: StoreAdapter,
  keys: number,
  rounds: number,
  meter: StoreMeter,
): Promise<CheckpointCost> {
  let handed = { entries: 0, bytes: 0 }
  const watched: StoreAdapter = {
    ...store,
    commit(changes: readonly StoreChanges[]) {
      const all = changes.flatMap(({ entries }) => entries)
      const bytes = all.reduce((sum, [key, value]) => sum + key.length + (value?.length ?? 0), 0)
      handed = { entries: all.length, bytes }
      return store.commit(changes)
    },
  }
  const broker = embedded()
  await broker.createTopics([{ topic: 'keys', partitions: 1 }])
  const app = createApp({ id: 'bench', broker, store: watched, commitInterval: '1d' })
  const input = app.stream<number>('keys', { value: json() })
  app.run('seen', input.pipe(aggregate(count(), { name: 'seen' })))
  await app.start()
  const producer = await broker.producer()
  let sent = 0
  const handle = async (from: number, length: number): Promise<void> => {
    await producer.send(
      Array.from({ length }, (_, n) => ({
        topic: 'keys',
        partition: 0,
        key: utf8.encode(`key-${String((from + n) % keys).padStart(7, '0')}`),
        value: utf8.encode('1'),
        timestamp: from,
        headers: NO_HEADERS,
      })),
    )
    sent += length
    while (handledBy(app) < sent) await new Promise<void>((resolve) => systemClock.soon(resolve))
  }
  for (let from = 0; from < keys; from += SENT_AT_ONCE) await handle(from, Math.min(SENT_AT_ONCE, keys - from))
  const { checkpoints } = runtimeOf(app)
  await checkpoints.commit()

  const times: number[] = []
  const before = { written: meter.written(), compactions: meter.compactions() }
  for (let round = 0; round < rounds; round++) {
    // Other keys each time: the same hundred would cost a store less.
    await handle(round * 7_919 * CHANGES, CHANGES)
    const startedAt = performance.now()
    await checkpoints.commit()
    times.push(performance.now() - startedAt)
  }
  const written = meter.written()
  const last = handed
  await app.stop()
  times.sort((a, b) => a - b)
  return {
    ...last,
    writtenBytes: written === undefined ? undefined : Math.round((written - (before.written ?? 0)) / rounds),
    medianMs: times[Math.floor(rounds / 2)] as number,
    longestMs: times[rounds - 1] as number,
    compactions: meter.compactions() - before.compactions,
  }
}
