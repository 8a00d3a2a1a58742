import type { Broker } from '../ports/broker.js'
import { changelogState, readChangelog } from './changelog.js'
import { type ChangelogPart, mergeParts } from './changelogPlans.js'
import { readManifest, readPlan } from './checkpoint.js'
import type { StoredTask } from './taskScopes.js'

/** All checkpoints of an app that its changelogs hold. Reads them whole. */
export async function changelogTasks(app: string, broker: Broker): Promise<StoredTask[]> {
  /** By the topics that a task read, and its partition. */
  const tasks = new Map<string, { title: string; partition: number; parts: ChangelogPart[] }>()
  for (const topic of (await broker.topics()).keys()) {
    const state = changelogState(app, topic)
    if (state === undefined) continue
    for (const [partition, { start, end }] of (await broker.ranges(topic)).entries()) {
      const heads = await readChangelog(broker, { topic, partition, from: start, to: end }, () => {})
      const manifest = readManifest(`${topic}/${partition}`, heads.manifest)
      const plan = readPlan(`${topic}/${partition}`, heads.plan)
      if (manifest === undefined || plan === undefined) continue
      const title = Object.keys(plan.topics).sort().join('+')
      const name = `${title}/${partition}`
      const task = tasks.get(name) ?? { title, partition, parts: [] }
      task.parts.push({ state, manifest, plan })
      tasks.set(name, task)
    }
  }
  return [...tasks].flatMap(([scope, { title, partition, parts }]) => {
    const merged = mergeParts(parts)
    return merged === undefined ? [] : [{ scope, title, partition, ...merged }]
  })
}
