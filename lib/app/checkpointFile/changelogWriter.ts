import type { NewTopic, OutRecord } from '../../ports/broker.js'
import { NO_HEADERS } from '../../record/record.js'
import { utf8 } from '../../record/serde.js'
import { changelogsOf, changelogTopic, readChangelog, TaskChangelog } from '../changelog.js'
import { manifestEntry } from '../checkpoint.js'
import type { Plan } from '../plan.js'
import { newHistory } from '../restore.js'
import type { RuntimeOptions } from '../runtimeOptions.js'
import { planEntry } from '../storedPlan.js'
import type { CopiedTask } from './checkpointCopy.js'

/** Makes the changelogs of an app those of a copy. */
export class ChangelogWriter {
  constructor(
    private readonly options: Pick<RuntimeOptions, 'id' | 'broker' | 'clock'>,
    private readonly plan: Plan,
  ) {}

  /** The changelogs of states that no operator has any more. */
  topics(tasks: readonly CopiedTask[]): NewTopic[] {
    const planned = new Set(this.plan.subTopologies.flatMap(changelogsOf))
    const found = new Map<string, NewTopic>()
    for (const task of tasks) {
      const partitions = Math.max(...Object.values(task.plan.topics).map((topic) => topic.partitions))
      for (const state of this.statesOf(task)) {
        const topic = changelogTopic(this.options.id, state)
        if (!planned.has(state)) found.set(topic, { topic, partitions, compacted: true })
      }
    }
    return [...found.values()]
  }

  /** Deletes all that these topics hold. */
  async tombstones(topics: readonly string[]): Promise<OutRecord[]> {
    const { broker, clock } = this.options
    const found: OutRecord[] = []
    for (const topic of topics) {
      for (const [partition, { start, end }] of (await broker.ranges(topic)).entries()) {
        const live = new Set<string>()
        const heads = await readChangelog(broker, { topic, partition, from: start, to: end }, (key, value) => {
          if (value === null) live.delete(key)
          else live.add(key)
        })
        for (const name of [...live, ...Object.keys(heads)]) {
          const key = utf8.encode(name)
          found.push({ topic, partition, key, value: null, timestamp: clock.now(), headers: NO_HEADERS })
        }
      }
    }
    return found
  }

  /** What the tasks write. */
  records(tasks: readonly CopiedTask[]): OutRecord[] {
    return tasks.flatMap((task) => {
      const { partition, plan, manifest, entries } = task
      const changelog = new TaskChangelog(this.options.id, this.statesOf(task), partition, newHistory(), 0, new Map())
      const heads = [planEntry(plan), manifestEntry({ ...manifest, ...changelog.next() })]
      return changelog.records([...entries, ...heads], this.options.clock.now())
    })
  }

  private statesOf({ title, plan }: CopiedTask): readonly string[] {
    const states = Object.keys({ ...plan.states, ...plan.orphans })
    const sub = this.plan.subTopologies.find((one) => one.title === title)
    return states.length > 0 || sub === undefined ? states : changelogsOf(sub)
  }
}
