import type { Broker, Position, RawRecord } from '../ports/broker.js'
import { type Duration, durationMs } from '../record/duration.js'
import { TidemarkError } from '../record/errors.js'
import { type App, createApp, runtimeOf } from './app.js'
import { compareOutputs, type Output, type TopicOutputs } from './compareOutputs.js'
import { isPassing } from './isPassing.js'
import type { PlanComparison, UpgradeOptions } from './planComparison.js'
import { endsOf, type OpenSavepoint } from './savepoints.js'
import { ShadowBroker } from './shadowBroker.js'
import { shadowStore } from './shadowStore.js'
import { addHeads, readTask } from './taskScopes.js'

export interface ShadowOptions {
  /** The savepoint to begin with. */
  readonly from: string
  /** Builds the new version's pipelines, as for an app of their own. */
  readonly build: (app: App) => void
  /** What the new version may do to the state of the savepoint. */
  readonly upgrade?: UpgradeOptions
  /** Differences that are shown of each topic. Default 10. */
  readonly maxExamples?: number
  /** How long the live app may take to come to rest, and the new version to get as far. Default 1 m. */
  readonly timeout?: Duration
}

/** What a new version makes of the same input. */
export interface ShadowReport {
  /** By topic: those that either version writes. */
  readonly topics: readonly TopicOutputs[]
  /** Sums over all topics. */
  readonly same: number
  readonly changed: number
  readonly missing: number
  readonly extra: number
  /** Records that the new version has handled, those of its exchanges included. */
  readonly records: number
  /** Errors after which the new version has gone on. */
  readonly errors: readonly TidemarkError[]
  /** The new version's plan beside that of the savepoint. */
  readonly plan: PlanComparison
  toString(): string
}

let shadows = 0

/**
 * Runs a new version of a running app over what the app has handled since a savepoint, beginning with the savepoint's state, and compares what either has written. It
 * writes to no topic and to no store: what it would write is kept in memory for the comparison.
 *
 * ```ts
 * await app.savepoint('before-v2')
 * // … a while later
 * const report = await shadow(app, { from: 'before-v2', build: (next) => buildV2(next) })
 * console.log(`${report}`) // same 9960, changed 40, missing 0, extra 0, with examples
 * ```
 *
 * First the live app takes no input for a moment, until all that it has read has come out; then it goes on, while the shadow runs. All of the app's tasks have to run in
 * this process, and nobody else may write to the topics that it writes. Results must follow from the input alone: those that follow the wall
 * clock (`wallTimers`, an `idleTimeout`), or the order among partitions, may differ from run to run. What leaves the pipeline through plain code, a `tap` or the calls of `mapAsync`, happens again.
 *
 * @throws TidemarkError `BAD_STATE` if the app doesn't run, or doesn't come to rest; `BAD_OPTION` if there is no such savepoint; `OFFSET_OUT_OF_RANGE` if
 *   topics no longer hold what was handled since; `BROKER_UNAVAILABLE` if they can't be read meanwhile; and what the new version fails with
 */
export async function shadow(app: App, options: ShadowOptions): Promise<ShadowReport> {
  const live = runtimeOf(app)
  const { id, broker, store, maxTaskIdleMs } = live.options
  if (live.state !== 'running')
    throw new TidemarkError('BAD_STATE', `shadow compares with a running app, and this one is ${live.state}`, {
      app: id,
    })
  if (live.options.readThrough !== undefined)
    throw new TidemarkError(
      'BAD_OPTION',
      'shadow: the new version would keep all of the savepoint in memory, and this app has maxStateBytes because its state is larger; run the new version as an app with another id',
      { app: id },
    )
  const timeoutMs = durationMs(options.timeout ?? '1m', 'shadow: timeout', 1)
  const savepoint = await live.savepoints((all) => all.open(options.from))
  // What a savepoint's tasks write is known of those that had come to a checkpoint.
  const before = new Set([...sinksOf(id, savepoint), ...live.plan.subTopologies.flatMap(({ sinks }) => sinks)])
  const mark = await live.checkpoints.atRest(timeoutMs, async (positions) => ({
    positions,
    ends: await endsOf(broker, before),
  }))

  const shadowBroker = new ShadowBroker(
    broker,
    (topic) => savepoint.ends[topic] ?? upTo(mark.positions, topic),
    savepoint.positions,
  )
  const next = createApp({
    id,
    instance: `shadow-${++shadows}`,
    broker: shadowBroker,
    store: shadowStore(savepoint, store.durable),
    guarantee: 'at-least-once',
    changelog: false,
    maxTaskIdle: maxTaskIdleMs,
    ...(options.upgrade !== undefined && { upgrade: options.upgrade }),
  })
  options.build(next)
  const runtime = runtimeOf(next)
  const errors: TidemarkError[] = []
  const listening = next.errors$.subscribe((error) => errors.push(error))
  try {
    await next.start()
    await runtime.checkpoints.drain(timeoutMs)
    // An app joins again after these, and does some of it again: what this one has written is compared as it is.
    const broken = errors.find(isPassing)
    if (broken !== undefined) throw broken
    const after = runtime.plan.subTopologies.flatMap(({ sinks }) => sinks)
    const topics: TopicOutputs[] = []
    for (const topic of [...new Set([...before, ...after])].sort()) {
      const written = await readOutput(broker, topic, savepoint.ends[topic], mark.ends[topic])
      const logs = await shadowBroker.logsOf(topic)
      const shadowed = logs.map(({ partition, added }) => ({ topic, partition, records: added }))
      topics.push(compareOutputs(topic, written, shadowed, options.maxExamples ?? 10))
    }
    const records = next.stats().tasks.reduce((sum, task) => sum + task.records, 0)
    return shadowReport(topics, { records, errors, plan: await next.compare() })
  } finally {
    await next.stop()
    listening.unsubscribe()
  }
}

/** The topics, exchanges aside, that the version behind a savepoint wrote. */
function sinksOf(app: string, { scopes }: OpenSavepoint): Set<string> {
  const found = new Set<string>()
  for (const [scope, entries] of scopes) {
    const heads = new Map<string, Uint8Array>()
    addHeads(heads, entries)
    const task = readTask(app, scope, heads)
    for (const topic of task?.plan.sinks ?? []) found.add(topic)
  }
  return found
}

/** How far the live app has read a topic; undefined if it doesn't read it. */
function upTo(positions: readonly Position[], topic: string): number[] | undefined {
  const found = positions.filter((position) => position.topic === topic)
  if (found.length === 0) return undefined
  const offsets: number[] = []
  for (const { partition, offset } of found) offsets[partition] = offset
  return offsets
}

/** What was written to a topic between two times; nothing if it wasn't the app's then. */
async function readOutput(
  broker: Broker,
  topic: string,
  from: readonly number[] | undefined,
  to: readonly number[] | undefined,
): Promise<Output[]> {
  const outputs: Output[] = []
  for (const [partition, start] of (from ?? []).entries()) {
    const records: RawRecord[] = []
    await broker.read({ topic, partition }, start, to?.[partition] ?? start, ({ records: read }) => {
      records.push(...read)
    })
    outputs.push({ topic, partition, records })
  }
  return outputs
}

function shadowReport(
  topics: readonly TopicOutputs[],
  run: Pick<ShadowReport, 'records' | 'errors' | 'plan'>,
): ShadowReport {
  const sum = (of: 'same' | 'changed' | 'missing' | 'extra') => topics.reduce((total, topic) => total + topic[of], 0)
  const counts = { same: sum('same'), changed: sum('changed'), missing: sum('missing'), extra: sum('extra') }
  return {
    topics,
    ...counts,
    ...run,
    toString: () =>
      [
        `${words(counts)}, of ${run.records} records handled`,
        ...topics.flatMap((topic) => [
          `  ${topic.topic}: ${words(topic)}`,
          ...topic.examples.map(
            ({ change, key, timestamp, window, live, shadow }) =>
              `    ${change.padEnd(8)} ${key} at ${timestamp}${window === undefined ? '' : ` in [${window.start}, ${window.end})`}: ${live === undefined ? 'nothing' : live} -> ${shadow === undefined ? 'nothing' : shadow}`,
          ),
        ]),
      ].join('\n'),
  }
}

const words = ({ same, changed, missing, extra }: Pick<ShadowReport, 'same' | 'changed' | 'missing' | 'extra'>) =>
  `same ${same}, changed ${changed}, missing ${missing}, extra ${extra}`
