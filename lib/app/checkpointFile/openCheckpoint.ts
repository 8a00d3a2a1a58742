import type { FileSource } from '../../record/chunksOf.js'
import { TidemarkError } from '../../record/errors.js'
import { type App, runtimeOf } from '../app.js'
import { readCheckpoint } from './readCheckpoint.js'
import { storeCheckpoint } from './storeCheckpoint.js'

export interface OpenCheckpointOptions {
  /** What the app has stored here is thrown away for what is in the file. Default: it is refused. */
  readonly replace?: boolean
  /**
   * Topics of the file that the broker doesn't have are made; those that the app reads begin where it goes on. Default: they are
   * `UNKNOWN_TOPIC`. For `embedded()`.
   */
  readonly createTopics?: boolean
}

/**
 * Goes on from a file that {@link writeCheckpoint} has written: state, time, offsets and what is on its way in exchanges are stored as if this app had come as far
 * here. Then `start` it. Gzip'd or plain, told by the first bytes.
 *
 * ```ts
 * const answer = await fetch('/spend.checkpoint')
 * await openCheckpoint(app, await answer.blob())
 * await app.start()
 * ```
 *
 * The app has the id of the one that wrote it. Its plan is compared with the file's as with what is stored at an upgrade; `upgrade` and `migrate` work as they do there. The
 * topics that it reads have to hold what comes next: offsets stay. All of the file is read and checked before anything is written; where topics and state are
 * in one transaction, what is written is, too.
 *
 * @throws TidemarkError `BAD_CHECKPOINT` for a file that is damaged, cut off, or of a later version; `BAD_STATE` if the app has been started, or has state here
 *   already; `BAD_OPTION` if the file is another app's; `PLAN_MISMATCH`; `OFFSET_OUT_OF_RANGE` if a topic doesn't hold what comes next; `UNKNOWN_TOPIC`;
 *   every planning error, `STORE_LOCKED`, `STORE_FAILED`, `BROKER_UNAVAILABLE`
 */
export async function openCheckpoint(app: App, file: FileSource, options: OpenCheckpointOptions = {}): Promise<void> {
  const runtime = runtimeOf(app)
  if (runtime.state !== 'created') {
    const message = `openCheckpoint comes before start, and this app is ${runtime.state}`
    throw new TidemarkError('BAD_STATE', message, { app: app.id })
  }
  const copy = await readCheckpoint(file)
  if (copy.app !== app.id) {
    const message = `the file is of the app ${copy.app}: its topics are called after it; give this one the same id`
    throw new TidemarkError('BAD_OPTION', message, { app: app.id })
  }
  await runtime.stored.open((plan) =>
    storeCheckpoint({ ...options, app: runtime.options, stored: runtime.stored, plan, copy }),
  )
}
