import type { Position } from '../ports/broker.js'
import type { StoredEntry, StoreEntry } from '../ports/store.js'
import { TidemarkError } from '../record/errors.js'
import { utf8 } from '../record/serde.js'
import { decode, encode, type StoredValue, standIn } from '../task/storedValue.js'
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

export const manifestEntry = (manifest: Manifest): StoredEntry => [MANIFEST, utf8.encode(JSON.stringify(manifest))]

/** Where the values of a snapshot stay. */
export interface ValueStore {
  /** @throws TidemarkError `STORE_FAILED` */
  read(key: string): Uint8Array
  /** What may be brought into memory of it at once. */
  readonly maxBytes: number
}

/** A state's entries: keys, and for each its value. */
interface StateEntries {
  readonly keys: string[]
  readonly values: StoredValue[]
}

/** A task's checkpoint, sorted by state. Where values stay in the store, it has only what stands for them. */
export class Snapshot {
  private readonly own = new Map<string, Uint8Array>()
  private readonly states = new Map<string, StateEntries>()
  private readonly changes = new Map<string, Uint8Array | null>()
  /** What values take that were made by a migration, of all states. */
  private replacedBytes = 0
  private parsed: { readonly manifest: Manifest | undefined; readonly plan: StoredPlan | undefined } | undefined

  constructor(
    private readonly task: string,
    private readonly values?: ValueStore,
  ) {}

  /** Entries that it doesn't have yet. */
  add(entries: Iterable<StoredEntry>): void {
    this.parsed = undefined
    for (const [key, value] of entries) {
      const name = stateOf(key)
      if (name === undefined) this.own.set(key, value)
      else {
        const { keys, values } = this.of(name)
        keys.push(key)
        values.push(this.values === undefined ? value : standIn(value))
      }
    }
  }

  /** Later entries, in place of some of those that it has, or besides. */
  update(later: ReadonlyMap<string, Uint8Array | null>): void {
    const touched = new Set<string>()
    for (const key of later.keys()) {
      const name = stateOf(key)
      if (name === undefined) this.own.delete(key)
      else touched.add(name)
    }
    for (const name of touched) {
      const { keys, values } = this.of(name)
      const kept: StateEntries = { keys: [], values: [] }
      for (const [index, key] of keys.entries()) {
        if (later.has(key)) continue
        kept.keys.push(key)
        kept.values.push(values[index] as StoredValue)
      }
      this.states.set(name, kept)
    }
    this.add(put(later))
  }

  private of(name: string): StateEntries {
    let found = this.states.get(name)
    if (found === undefined) {
      found = { keys: [], values: [] }
      this.states.set(name, found)
    }
    return found
  }

  /** An entry that concerns the whole task. */
  head(key: string): Uint8Array | undefined {
    return this.own.get(key)
  }

  get manifest(): Manifest | undefined {
    return this.heads.manifest
  }

  /** The plan that it was taken under. */
  get plan(): StoredPlan | undefined {
    return this.heads.plan
  }

  /** Known until more is added. */
  private get heads() {
    this.parsed ??= {
      manifest: readManifest(this.task, this.own.get(MANIFEST)),
      plan: readPlan(this.task, this.own.get(PLAN)),
    }
    return this.parsed
  }

  /**
   * Hands out a state's entries, without the prefix of its name, once. Where values stay in the store, the bytes of one that may leave memory say that
   * the store has another: from then on it is for the state to have it written.
   */
  take(name: string): Iterable<readonly [key: string, value: StoredValue]> {
    const entries = this.of(name)
    this.states.delete(name)
    return this.handOut(entries, name.length + 3)
  }

  /** One after the other: there may be millions. */
  private *handOut(
    { keys, values }: StateEntries,
    length: number,
  ): Iterable<readonly [key: string, value: StoredValue]> {
    for (let n = 0; n < keys.length; n++) {
      const [key, value] = [keys[n] as string, values[n] as StoredValue]
      if (this.values !== undefined && typeof value !== 'number' && typeof standIn(value) === 'number')
        this.changes.delete(key)
      yield [key.slice(length), value]
    }
  }

  /** Forgets a state, here and with the next checkpoint. */
  drop(name: string): void {
    for (const key of this.of(name).keys) this.changes.set(key, null)
    this.states.delete(name)
  }

  /**
   * Replaces a state's values, here and with the next checkpoint. One that becomes null is deleted; one that is null stays.
   *
   * @throws TidemarkError `OPERATOR_FAILED` if `change` throws; `BAD_OPTION` if what is new doesn't fit into memory
   */
  replace(name: string, change: (value: unknown) => unknown): void {
    const { keys, values } = this.of(name)
    const replaced: StateEntries = { keys: [], values: [] }
    for (const [index, key] of keys.entries()) {
      const stored = values[index] as StoredValue
      const bytes = typeof stored === 'number' ? (this.values as ValueStore).read(key) : stored
      const [value, timestamp] = decode(bytes, name)
      const place = { operator: name, key: key.slice(name.length + 3) }
      const next = value === null ? null : attempt(() => change(value), this.task, place)
      if (value !== null && (next === null || next === undefined)) {
        this.changes.set(key, null)
        continue
      }
      const encoded = encode({ key: place.key, value: next, timestamp }, name)
      this.replacedBytes += encoded.length
      if (this.values !== undefined && this.replacedBytes > this.values.maxBytes)
        throw tooLarge(name, this.task, this.values)
      replaced.keys.push(key)
      replaced.values.push(encoded)
      this.changes.set(key, encoded)
    }
    this.states.set(name, replaced)
  }

  /** Something that the next checkpoint writes besides what the task changes. */
  note([key, value]: StoreEntry): void {
    this.changes.set(key, value)
  }

  /** What has been changed here since it was stored, for the next checkpoint, once. */
  takeChanges(): readonly StoreEntry[] {
    const changes = [...this.changes]
    this.changes.clear()
    return changes
  }

  get isChanged(): boolean {
    return this.changes.size > 0
  }
}

function* put(entries: ReadonlyMap<string, Uint8Array | null>): Iterable<StoredEntry> {
  for (const [key, value] of entries) if (value !== null) yield [key, value]
}

const tooLarge = (operator: string, task: string, { maxBytes }: ValueStore) =>
  new TidemarkError(
    'BAD_OPTION',
    `migrate has made more than ${maxBytes} bytes (maxStateBytes) of new values for task ${task}, and all of them are written in one; start once without maxStateBytes where there is memory for all of the state, or give the state another name`,
    { operator },
  )

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
