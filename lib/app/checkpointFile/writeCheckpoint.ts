import { TidemarkError } from '../../record/errors.js'
import { zipLines } from '../../record/zipLines.js'
import { type App, runtimeOf } from '../app.js'
import { allOf } from '../partitions.js'
import { topicsReadBy } from '../planTopics.js'
import type { Runtime } from '../runtime.js'
import type { CheckpointCopy } from './checkpointCopy.js'
import { checkpointLines } from './checkpointLines.js'
import { copyCheckpoint } from './copyCheckpoint.js'

/**
 * An app's state as a file: what its operators keep, how far they have read and how far their time is, what is on its way in its exchanges, and the plan of
 * all that, as of one checkpoint. {@link openCheckpoint} goes on from it at that very moment, in another process, store or broker, in Node or in a browser.
 *
 * ```ts
 * const file = await new Response(await writeCheckpoint(app)).blob()
 * ```
 *
 * Resolves when the state has been read: a running app handles no record until then, and all of its tasks have to be in this process. The file is
 * made of it as it is read (JSON Lines, gzip'd); until its end the state is in memory once more. Of an app that doesn't run it has what is stored; then it
 * must not run anywhere else. Topics themselves aren't in it, nor are global tables.
 *
 * @throws TidemarkError `BAD_STATE` if the app has ended, or not all of its tasks run in this process; `STORE_FAILED`, `BROKER_UNAVAILABLE`
 */
export async function writeCheckpoint(app: App): Promise<ReadableStream<Uint8Array>> {
  const runtime = runtimeOf(app)
  const copy = runtime.state === 'created' ? await copyStored(runtime) : await copyRunning(runtime)
  return zipLines(checkpointLines(copy))
}

function copyRunning(runtime: Runtime): Promise<CheckpointCopy> {
  const { checkpoints, stored, options } = runtime
  return checkpoints.still(async () => {
    const { plan, positions, resources, tasks, taskCount } = runtime
    if (tasks.length !== taskCount) {
      const message = `a checkpoint file needs all tasks of the app, and ${tasks.length} of ${taskCount} run in this process`
      throw new TidemarkError('BAD_STATE', message, { app: options.id })
    }
    const { counts } = resources
    const scopes = await stored.scopes(plan, allOf(plan, counts), 'running')
    return copyCheckpoint({ broker: options.broker, plan, at: runtime.clock.now(), counts, scopes, positions })
  })
}

function copyStored({ stored, options, clock }: Runtime): Promise<CheckpointCopy> {
  const { id, broker } = options
  return stored.visit(async (plan, counts) => {
    const scopes = await stored.scopes(plan, allOf(plan, counts), 'ended')
    const positions = await broker.committed(id, topicsReadBy(plan))
    return copyCheckpoint({ broker, plan, at: clock.now(), counts, scopes, positions })
  })
}
