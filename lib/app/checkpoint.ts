import type { Position } from '../ports/broker.js'
import type { StoreEntry } from '../ports/store.js'
import { TidemarkError } from '../record/errors.js'
import { utf8 } from '../record/serde.js'
import { decode, encode } from '../task/state.js'
import { dictionary } from './dictionary.js'
import { PLAN, type StoredPlan } from './storedPlan.js'

/** Time reached by a source: the watermark, and each lane's newest timestamp and watermark. */
export interface SavedTime {
  readonly watermark: number | null
  readonly lanes: readonly (readonly [id: string, newest: number | null, watermark: number | null, idle: boolean])[]
}

/** What a checkpoint says besides the entries of states, and the plan, which changes more seldom. */
export interface Manifest {
  readonly version: 1
  /** Fingerprint of the plan that wrote it. */
  readonly plan: string
  readonly positions: readonly Position[]
  readonly sources: { readonly [source: string]: SavedTime }
  /** Stream time by operator. */
  readonly streamTimes: { readonly [operator: string]: number }
  /** Time reached by operators that have a name, where that isn't their stream time. */
  readonly times: { readonly [operator: string]: number | null }
  /** Where changelogs are kept: which life of them, and which checkpoint of it. */
  readonly history?: string
  readonly checkpoint?: number
}

export const MANIFEST = 'manifest'

/** The state that an entry belongs to; undefined for what concerns the whole task. */
export const stateOf = (key: string): string | undefined =>
  key.startsWith('s/') ? key.slice(2, key.indexOf('/', 2)) : undefined

export const manifestEntry = (manifest: Manifest): StoreEntry => [MANIFEST, utf8.encode(JSON.stringify(manifest))]

type Entry = readonly [key: string, value: Uint8Array]

/** A task's checkpoint, sorted by state. */
export class Snapshot {
  readonly manifest: Manifest | undefined
  /** The plan that it was taken under. */
  readonly plan: StoredPlan | undefined
  private readonly states = new Map<string, Entry[]>()
  private changes: StoreEntry[] = []

  constructor(
    private readonly task: string,
    entries: Iterable<Entry>,
  ) {
    const own = new Map<string, Uint8Array>()
    for (const [key, value] of entries) {
      const name = stateOf(key)
      if (name === undefined) own.set(key, value)
      else {
        const list = this.states.get(name)
        const entry = [key, value] as const
        if (list === undefined) this.states.set(name, [entry])
        else list.push(entry)
      }
    }
    this.manifest = readManifest(task, own.get(MANIFEST))
    this.plan = readPlan(task, own.get(PLAN))
  }

  /** Hands out a state's entries, without the prefix of its name, once. */
  take(name: string): Iterable<Entry> {
    const entries = this.states.get(name) ?? []
    this.states.delete(name)
    return withoutPrefix(entries, name.length + 3)
  }

  /** Forgets a state, here and with the next checkpoint. */
  drop(name: string): void {
    for (const [key] of this.states.get(name) ?? []) this.changes.push([key, null])
    this.states.delete(name)
  }

  /**
   * Replaces a state's values, here and with the next checkpoint. One that becomes null is deleted; one that is null stays.
   *
   * @throws TidemarkError `OPERATOR_FAILED` if `change` throws
   */
  replace(name: string, change: (value: unknown) => unknown): void {
    const replaced: Entry[] = []
    for (const [key, bytes] of this.states.get(name) ?? []) {
      const [value, timestamp] = decode(bytes, name)
      const place = { operator: name, key: key.slice(name.length + 3) }
      const next = value === null ? null : attempt(() => change(value), this.task, place)
      if (value !== null && (next === null || next === undefined)) {
        this.changes.push([key, null])
        continue
      }
      const entry = [key, encode({ key: place.key, value: next, timestamp }, name)] as const
      replaced.push(entry)
      this.changes.push(entry)
    }
    this.states.set(name, replaced)
  }

  /** Something that the next checkpoint writes besides what the task changes. */
  note(entry: StoreEntry): void {
    this.changes.push(entry)
  }

  /** What has been changed here since it was stored, for the next checkpoint, once. */
  takeChanges(): readonly StoreEntry[] {
    const { changes } = this
    this.changes = []
    return changes
  }

  get isChanged(): boolean {
    return this.changes.length > 0
  }
}

/** One after the other: there may be millions. */
function* withoutPrefix(entries: readonly Entry[], length: number): Iterable<Entry> {
  for (const [key, value] of entries) yield [key.slice(length), value]
}

function attempt<T>(run: () => T, task: string, place: { operator: string; key: string }): T {
  try {
    return run()
  } catch (cause) {
    throw new TidemarkError(
      'OPERATOR_FAILED',
      `migrate threw while task ${task} was restored: ${cause instanceof Error ? cause.message : String(cause)}; what is stored is as it was`,
      place,
      { cause },
    )
  }
}

export function readManifest(task: string, value: Uint8Array | undefined): Manifest | undefined {
  return read(task, value, (manifest: Manifest) => manifest.version === 1)
}

export function readPlan(task: string, value: Uint8Array | undefined): StoredPlan | undefined {
  const plan = read(task, value, ({ states }: StoredPlan) => typeof states === 'object')
  if (plan === undefined) return undefined
  const { topics, states, orphans } = plan
  return { ...plan, topics: dictionary(topics), states: dictionary(states), orphans: dictionary(orphans) }
}

function read<T>(task: string, value: Uint8Array | undefined, isKnown: (content: T) => boolean): T | undefined {
  if (value === undefined) return undefined
  try {
    const content = JSON.parse(utf8.decode(value)) as T
    if (isKnown(content)) return content
  } catch {
    // Told below.
  }
  throw new TidemarkError(
    'STORE_FAILED',
    `the checkpoint of task ${task} isn't one that this version writes; restore with the version that wrote it`,
  )
}

export const toSaved = (time: number): number | null => (Number.isFinite(time) ? time : null)
export const fromSaved = (time: number | null | undefined): number => time ?? Number.NEGATIVE_INFINITY
