import type { Runtime } from './runtime.js'

/** Asks the broker where topics end: a partition that brings nothing doesn't say whether it has something. */
export class LogEnds {
  constructor(private readonly runtime: Runtime) {}

  /** Lets time go on where partitions are idle. */
  async checkIdle(): Promise<void> {
    const { runtime } = this
    const topics = new Set(runtime.tasks.flatMap((task) => task.readers.quietTopics(runtime.clock.now())))
    const ends = await this.ask(topics)
    for (const task of runtime.tasks) task.time.checkIdle(ends)
    runtime.wake()
  }

  /** Where topics end, as the broker says now; one of which it doesn't is left out. */
  async ask(topics: ReadonlySet<string>): Promise<ReadonlyMap<string, readonly number[]>> {
    const { options, membership } = this.runtime
    const ends = new Map<string, readonly number[]>()
    for (const topic of topics) {
      try {
        const ranges = await options.broker.ranges(topic)
        ends.set(
          topic,
          ranges.map((range) => range.end),
        )
        ranges.forEach(({ end, written }, partition) => {
          const queue = membership.life?.assignment.queue({ topic, partition })
          if (queue === undefined) return
          if (end > queue.end) queue.end = end
          queue.written = written
        })
      } catch (error) {
        // No answer: nothing is idle.
        this.runtime.report(error)
      }
    }
    return ends
  }
}
