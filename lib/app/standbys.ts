import type { Broker } from '../ports/broker.js'
import type { Clock } from '../ports/clock.js'
import type { StoreAdapter } from '../ports/store.js'
import { changelogRange, changelogTopic, readChangelog, type TaskChangelog } from './changelog.js'
import { ChangelogTail } from './changelogTail.js'
import { manifestEntry, readManifest } from './checkpoint.js'
import type { SubTopology } from './plan.js'
import type { ReadThrough } from './readThrough.js'
import { Restore, RestoreCancelled } from './restore.js'
import { shortPause } from './shortPause.js'
import { PLAN } from './storedPlan.js'
import { checkpointScope } from './taskScopes.js'

/** A copy of the state of a task that runs elsewhere. */
export interface StandbyStats {
  readonly task: string
  /** Records of its changelogs that the copy lacks, as last heard of. */
  readonly lag: number
}

export interface StandbyTask {
  readonly id: string
  readonly sub: SubTopology
  readonly partition: number
}

interface StandbysOptions {
  readonly app: string
  readonly broker: Broker
  readonly store: StoreAdapter
  readonly clock: Clock
  readonly readThrough: ReadThrough | undefined
  /** The app goes on after it. */
  report(error: unknown): void
}

/** Between looks at the changelogs, ms. */
const LOOK_MS = 500

/** Keeps copies of the state of tasks that run elsewhere in the local store, so that taking one over is quick. */
export class Standbys {
  private readonly copies = new Map<string, Copy>()
  /** Of those that have ended, the last write that is still under way. */
  private readonly ending = new Map<string, Promise<void>>()

  constructor(private readonly options: StandbysOptions) {}

  /** Keeps copies of these, and of no others. */
  set(tasks: readonly StandbyTask[]): void {
    const wanted = new Map(tasks.map((task) => [task.id, task]))
    for (const id of [...this.copies.keys()]) if (!wanted.has(id)) void this.end(id)
    for (const [id, task] of wanted)
      if (!this.copies.has(id)) this.copies.set(id, new Copy(task, this.options, this.ending.get(id)))
  }

  /** Resolves when the copy's store scope is written by nobody any more. */
  async end(id: string): Promise<void> {
    const copy = this.copies.get(id)
    this.copies.delete(id)
    if (copy !== undefined) {
      const ended = copy.end().finally(() => {
        if (this.ending.get(id) === ended) this.ending.delete(id)
      })
      this.ending.set(id, ended)
    }
    await this.ending.get(id)
  }

  async close(): Promise<void> {
    await Promise.all([...this.copies.keys(), ...this.ending.keys()].map((id) => this.end(id)))
  }

  stats(): StandbyStats[] {
    return [...this.copies].map(([task, { lag }]) => ({ task, lag }))
  }
}

class Copy {
  lag = 0
  private changelog: TaskChangelog | undefined
  private restore: Restore | undefined
  private isEnded = false
  private wake: () => void = () => {}
  private readonly running: Promise<void>

  constructor(
    private readonly task: StandbyTask,
    private readonly options: StandbysOptions,
    /** The end of the copy before it. */
    former: Promise<void> = Promise.resolve(),
  ) {
    this.running = former.then(() => this.run())
  }

  async end(): Promise<void> {
    this.isEnded = true
    if (this.restore !== undefined) this.restore.isCancelled = true
    this.wake()
    await this.running
  }

  private async run(): Promise<void> {
    while (!this.isEnded) {
      try {
        if (this.changelog === undefined) await this.begin()
        else await this.follow(this.changelog)
      } catch (error) {
        // What the next look may mend; what it finds wrong with the changelogs makes it begin anew.
        if (!(error instanceof RestoreCancelled)) this.options.report(error)
        this.changelog = undefined
      }
      if (!this.isEnded) await this.pause()
    }
  }

  private pause(): Promise<void> {
    const { over, end } = shortPause(this.options.clock, LOOK_MS)
    this.wake = end
    return over
  }

  private async begin(): Promise<void> {
    const { app, store, clock, readThrough } = this.options
    const { id: task, sub, partition } = this.task
    this.restore = new Restore({ ...this.options, task, sub, partition, hasChangelogs: true, isStandby: true })
    const { changelog, missing, isWhole } = await this.restore.copy()
    // Nothing to copy yet: its first writer will say what history it is.
    const isEmpty = isWhole && missing.length === 0
    if (changelog === undefined || isEmpty || this.isEnded) return
    // Where values stay in the store, the restore has written it.
    if (readThrough === undefined) {
      const entries = [...missing, changelog.mark(clock.now())]
      await store.commit([{ scope: checkpointScope(app, sub, partition), entries, reset: isWhole }])
    }
    this.changelog = changelog
  }

  /** Takes what has come since the last look. */
  private async follow(changelog: TaskChangelog): Promise<void> {
    const { app, broker, store, clock } = this.options
    const { id, sub, partition } = this.task
    const tail = new ChangelogTail({ store, scope: checkpointScope(app, sub, partition), isWhole: false })
    // Once some of it is written, the copy is good for nothing without the rest.
    const isOver = () => this.isEnded && !tail.isBegun
    const ends: { topic: string; partition: number; offset: number }[] = []
    this.lag = 0
    for (const state of sub.states.keys()) {
      const topic = changelogTopic(app, state)
      const from = changelog.offset(state)
      const { end: to } = await changelogRange(broker, app, state, partition)
      this.lag += Math.max(0, to - from)
      const { manifest, plan } = await readChangelog(
        broker,
        { topic, partition, from, to },
        (key, value) => tail.add(key, value),
        () => {
          if (isOver()) throw new RestoreCancelled()
          return tail.flush()
        },
      )
      if (plan !== undefined) tail.add(PLAN, plan)
      const read = readManifest(id, manifest)
      if (read !== undefined) {
        if (read.history !== changelog.history) {
          this.changelog = undefined
          return
        }
        tail.add(...manifestEntry(read))
      }
      ends.push({ topic, partition, offset: to })
    }
    if (tail.isEmpty || isOver()) return
    changelog.written(ends)
    await tail.end(changelog.mark(clock.now()))
    this.lag = 0
  }
}
