import type { RawBatch, TopicPartition } from '../../ports/broker.js'
import type { Connection } from './connection.js'
import { PATIENCE_MS } from './request.js'
import { Stream } from './stream.js'

/** Reads a stretch of a partition. @throws TidemarkError what the bridge refuses with; `BROKER_UNAVAILABLE` if nothing comes for a while */
export function readRemote(
  connection: Connection,
  at: TopicPartition,
  { from, to }: { from: number; to: number },
  each: (batch: RawBatch) => void | Promise<void>,
): Promise<void> {
  return new Promise((resolve, reject) => {
    let timer: ReturnType<typeof setTimeout> | undefined
    let taking: Promise<void> = Promise.resolve()
    const wait = () => {
      clearTimeout(timer)
      timer = setTimeout(() => failed(connection.unavailable()), PATIENCE_MS)
    }
    const failed = (error: unknown) => {
      clearTimeout(timer)
      stream.close()
      reject(error)
    }
    wait()
    const stream = new Stream(connection, {
      at,
      from,
      to,
      batch(batch, bytes) {
        // Nothing more need come before this is taken.
        clearTimeout(timer)
        taking = taking
          .then(() => each(batch))
          .then(() => {
            stream.consumed(bytes)
            wait()
          })
        taking.catch(failed)
      },
      // The time that is waited for a batch is for this, too.
      troubled() {},
      ended() {
        void taking
          .then(() => {
            clearTimeout(timer)
            resolve()
          })
          .catch(() => {})
      },
      refused(error) {
        clearTimeout(timer)
        reject(error)
      },
    })
  })
}
