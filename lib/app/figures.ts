import { type AppStats, restoringStats, taskStats } from './appStats.js'
import { explain } from './explain.js'
import type { ExplainRequest, Explanation } from './explanation.js'
import type { Runtime } from './runtime.js'
import { taskId } from './taskId.js'
import { type Health, Watchdog, type Watched } from './watchdog.js'

/** What an app tells about how it fares. */
export class Figures {
  private readonly watchdog: Watchdog

  constructor(private readonly runtime: Runtime) {
    this.watchdog = new Watchdog(runtime.options.stallMs)
  }

  stats(): AppStats {
    const { state, checkpoints, resources, membership, tasks, slices } = this.runtime
    return {
      state,
      checkpoints: checkpoints.count,
      globalTables: resources.globals?.stats() ?? [],
      rebalances: membership.rebalances.stats(),
      standbys: membership.life?.standbys.stats() ?? [],
      tasks: [
        ...tasks.map((task) => taskStats(task, slices.waitsFor(task))),
        ...membership.restores.map(([id, { restore }]) => restoringStats(id, restore.stats())),
      ],
    }
  }

  /** Looks for what has something to do and does nothing. */
  async watch(): Promise<void> {
    const { runtime } = this
    // A partition that brings nothing may have something: its end is known by what it brings.
    const quiet = runtime.tasks.flatMap(({ queues }) =>
      queues.filter((queue) => queue.lag === 0).map(({ topic }) => topic),
    )
    await runtime.logEnds.ask(new Set(quiet))
    for (const error of this.watchdog.look(runtime.clock.now(), this.watched())) runtime.report(error)
  }

  private watched(): Watched[] {
    const { tasks, slices, membership, checkpoints } = this.runtime
    return [
      ...tasks.map((task) => ({
        name: `task ${task.info.id}`,
        isDue: task.queues.some((queue) => queue.lag > 0 || queue.size > 0),
        progress: `${task.handled} ${task.positions.map(({ offset }) => offset)}`,
        why: slices.waitsFor(task),
        waitsForOthers: task.choice.isAligning,
      })),
      ...tasks.flatMap(({ queues }) =>
        queues.map(({ topic, partition, end, lag, written = end }) => ({
          name: `partition ${partition} of ${topic}`,
          isDue: lag === 0 && written > end,
          progress: String(end),
          why: 'a transaction of some writer is open there, and what has been written since is for nobody to read until it ends',
          waitsForOthers: true,
        })),
      ),
      ...membership.restores.map(([id, { restore }]) => ({
        name: `the restore of task ${id}`,
        // Others may come before it.
        isDue: restore.isReading,
        progress: String(restore.stats().records),
        why: 'the changelog brings nothing',
      })),
      {
        name: 'checkpoints',
        isDue: checkpoints.isCommitting,
        progress: String(checkpoints.count),
        why: 'the broker or the store answers no commit',
      },
    ]
  }

  health(): Health {
    const { state, failure, membership } = this.runtime
    const stalled = this.watchdog.stalled()
    const restoring = membership.restores.map(([id]) => id)
    return {
      live: state !== 'failed' && stalled.length === 0,
      ready: state === 'running' && restoring.length === 0,
      reasons: [
        ...(state === 'running' ? [] : [`the app is ${state}${failure === undefined ? '' : `: ${failure.message}`}`]),
        ...restoring.map((task) => `task ${task} is being restored`),
        ...stalled.map((name) => `${name} does nothing`),
      ],
    }
  }

  /** @throws TidemarkError `BAD_OPTION` */
  explain(request: ExplainRequest): Explanation {
    const { runtime } = this
    const { counts } = runtime.resources
    return explain(request, {
      plan: runtime.plan ?? runtime.options.plan(),
      tasks: runtime.tasks,
      tasksOf: (sub) =>
        counts.size === 0 ? [] : Array.from({ length: runtime.tasksIn(sub) }, (_, partition) => taskId(sub, partition)),
      partitions: (topic) => counts.get(topic),
      waitsFor: (task) => runtime.slices.waitsFor(task),
    })
  }
}
