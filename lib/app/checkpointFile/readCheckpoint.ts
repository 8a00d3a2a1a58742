import type { OutRecord, Position } from '../../ports/broker.js'
import type { StoredEntry } from '../../ports/store.js'
import { bytesJson } from '../../record/bytesJson.js'
import type { FileSource } from '../../record/chunksOf.js'
import { show, TidemarkError } from '../../record/errors.js'
import { NO_HEADERS } from '../../record/record.js'
import { unzipLines } from '../../record/unzipLines.js'
import { BrokenFile } from '../../record/unzipped.js'
import { type Manifest, manifestEntry } from '../checkpoint.js'
import { dictionary } from '../dictionary.js'
import type { StateShape } from '../stateShape.js'
import { planEntry } from '../storedPlan.js'
import { readTask, type StoredTask, taskScope } from '../taskScopes.js'
import type { CheckpointCopy, CopiedTask, CopiedTopic } from './checkpointCopy.js'
import { type EndLine, formsOf, type HeaderLine, type RecordLine, type TaskLine, VERSION } from './checkpointLines.js'
import { type EntryLine, entryOf, type FormOf } from './entryLine.js'

/**
 * Reads a checkpoint file to its end.
 *
 * @throws TidemarkError `BAD_CHECKPOINT`, with the line; and whatever the source errors with
 */
export async function readCheckpoint(source: FileSource): Promise<CheckpointCopy> {
  let content: FileContent | undefined
  let number = 0
  try {
    for await (const text of unzipLines(source)) {
      number++
      const line = parse(text)
      content = take(content, line)
    }
    if (content?.isWhole !== true) throw new BrokenFile('it ends too early')
  } catch (cause) {
    if (cause instanceof BadLine) throw badCheckpoint(`line ${number}: ${cause.message}`, cause)
    if (cause instanceof BrokenFile) throw badCheckpoint(`${cause.message}, after line ${number}`, cause)
    throw cause
  }
  return content
}

function take(content: FileContent | undefined, line: Json): FileContent {
  try {
    if (content === undefined) return new FileContent(line)
    content.add(line)
    return content
  } catch (cause) {
    if (cause instanceof BadLine) throw cause
    throw new BadLine(`${show(line)}: ${cause instanceof Error ? cause.message : cause}`, { cause })
  }
}

/** Why a line isn't one of a checkpoint file. */
class BadLine extends Error {}

const badCheckpoint = (reason: string, cause: Error) =>
  new TidemarkError('BAD_CHECKPOINT', `this file can't be opened: ${reason}; nothing has been written`, {}, { cause })

type Json = { readonly [name: string]: unknown }
type OpenTask = CopiedTask & { readonly entries: StoredEntry[]; readonly formOf: FormOf }

/** What has been read of a file. */
class FileContent implements CheckpointCopy {
  readonly app: string
  readonly at: number
  readonly topics: { readonly [topic: string]: CopiedTopic }
  readonly tasks: CopiedTask[] = []
  readonly records: OutRecord[] = []
  private readonly byName = new Map<string, OpenTask>()
  private entries = 0
  isWhole = false

  constructor(line: Json) {
    const { tidemark, version, app, at, topics } = line as unknown as HeaderLine
    if (tidemark !== 'checkpoint') throw new BadLine('a checkpoint file begins with {"tidemark":"checkpoint",…}')
    if (version !== VERSION)
      throw new BadLine(
        `its version is ${show(version)}, and this release reads version ${VERSION}: open it with the release that wrote it`,
      )
    if (typeof app !== 'string' || typeof at !== 'number' || !isObject(topics))
      throw new BadLine('app, at or topics are missing')
    for (const [topic, { partitions, positions }] of Object.entries(topics)) {
      if (!isPartitions(partitions) || (positions !== undefined && !isOffsets(positions, partitions)))
        throw new BadLine(`partitions or positions of ${topic} aren't numbers`)
    }
    this.app = app
    this.at = at
    this.topics = dictionary(topics)
  }

  add(line: Json): void {
    if (this.isWhole) throw new BadLine('it goes on behind its end')
    if ('plan' in line) this.addTask(line as unknown as TaskLine)
    else if ('task' in line) this.addEntry(line as unknown as EntryLine & { task: string })
    else if ('topic' in line) this.addRecord(line as unknown as RecordLine)
    else if ('end' in line) this.end(line as unknown as EndLine)
    else throw new BadLine(`nobody knows what this is: ${show(line)}`)
  }

  private addTask({ task, positions, time, plan }: TaskLine): void {
    if (this.byName.has(task)) throw new BadLine(`the task ${task} comes twice`)
    const [, title, partition] = /^(.+)\/(\d+)$/s.exec(task) ?? []
    if (title === undefined) throw new BadLine(`a task is its topics and its partition; got ${show(task)}`)
    const scope = taskScope(this.app, title, Number(partition))
    const manifest: Manifest = { version: 1, plan: '', positions, ...time }
    // As it would be read from a store.
    const read = readTask(this.app, scope, new Map([manifestEntry(manifest), planEntry(plan)]))
    if (read === undefined || !hasShape(read)) throw new BadLine(`positions, time or plan of ${task} are missing`)
    const open = { ...read, entries: [], formOf: formsOf(read.plan) }
    this.byName.set(task, open)
    this.tasks.push(open)
  }

  private addEntry(line: EntryLine & { task: string }): void {
    const task = this.byName.get(line.task)
    if (task === undefined) throw new BadLine(`no line before has said what the task ${show(line.task)} is`)
    task.entries.push(entryOf(line, task.formOf))
    this.entries++
  }

  private addRecord({ topic, partition, timestamp, key, value, headers }: RecordLine): void {
    const known = this.topics[topic]
    if (known?.exchange !== true || !isCount(partition) || partition >= known.partitions)
      throw new BadLine(`${show(topic)} has no partition ${show(partition)}, or is no exchange`)
    if (typeof timestamp !== 'number') throw new BadLine('timestamp is missing')
    this.records.push({
      topic,
      partition,
      key: bytesJson.decode(key),
      value: bytesJson.decode(value),
      timestamp,
      headers: headers?.map(([name, bytes]) => [name, bytesJson.decode(bytes)] as const) ?? NO_HEADERS,
    })
  }

  private end({ end: { tasks, entries, records } }: EndLine): void {
    if (tasks !== this.tasks.length || entries !== this.entries || records !== this.records.length)
      throw new BadLine(
        `lines are missing: ${tasks} tasks, ${entries} entries and ${records} records were written, ${this.tasks.length}, ${this.entries} and ${this.records.length} are here`,
      )
    this.isWhole = true
  }
}

function parse(text: string): Json {
  try {
    const content: unknown = JSON.parse(text)
    if (isObject(content)) return content as Json
  } catch {
    // Told below.
  }
  throw new BadLine(`not a JSON object: ${show(text)}`)
}

const isObject = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0
/** More than any broker has: who asks for more wants to do harm. */
const isPartitions = (value: unknown) => isCount(value) && value >= 1 && value <= 100_000
const isOffsets = (value: unknown, partitions: number) =>
  Array.isArray(value) && value.length === partitions && value.every((offset) => offset === null || isCount(offset))
const isTexts = (value: unknown) => Array.isArray(value) && value.every((text) => typeof text === 'string')
const isTime = (value: unknown) => value === null || typeof value === 'number'
const every = <T>(of: { readonly [name: string]: T }, test: (one: T) => boolean) =>
  isObject(of) && Object.values(of).every((one) => isObject(one) && test(one))
const isPositions = (value: unknown) =>
  Array.isArray(value) &&
  value.every((one) => isObject(one) && isPosition(one as { readonly [name in keyof Position]: unknown }))
const isPosition = ({ topic, partition, offset }: { readonly [name in keyof Position]: unknown }) =>
  typeof topic === 'string' && isCount(partition) && isCount(offset)
const isLane = (value: unknown) =>
  Array.isArray(value) && typeof value[0] === 'string' && isTime(value[1]) && isTime(value[2])
const isShape = ({ operator, kind, form, version, topics }: StateShape) =>
  isTexts([operator, kind, form]) && isCount(version) && isTexts(topics)

/** What reading it from a store takes for granted. */
const hasShape = ({ manifest: { positions, sources, streamTimes, times }, plan }: StoredTask): boolean =>
  isPositions(positions) &&
  every(sources, ({ watermark, lanes }) => isTime(watermark) && Array.isArray(lanes) && lanes.every(isLane)) &&
  [streamTimes, times].every((of) => isObject(of) && Object.values(of).every(isTime)) &&
  isTexts(plan.operators) &&
  isTexts(plan.sinks) &&
  every(plan.topics, ({ key, partitions }) => typeof key === 'string' && isPartitions(partitions)) &&
  every(plan.states, isShape) &&
  every(plan.orphans, (orphan) => isShape(orphan) && isPositions(orphan.at)) &&
  isPositions(plan.left)
