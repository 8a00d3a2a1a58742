import type { Position } from '../ports/broker.js'
import type { StoreEntry } from '../ports/store.js'
import { TidemarkError } from '../record/errors.js'
import { utf8 } from '../record/serde.js'

/** Time reached by a source: the watermark, and each lane's newest timestamp and watermark. */
export interface SavedTime {
  readonly watermark: number | null
  readonly lanes: readonly (readonly [id: string, newest: number | null, watermark: number | null, idle: boolean])[]
}

/** What a checkpoint says besides the entries of states. */
export interface Manifest {
  readonly version: 1
  /** Fingerprint of the plan that wrote it. */
  readonly plan: string
  readonly positions: readonly Position[]
  /** The states that it holds. */
  readonly states: readonly string[]
  readonly sources: { readonly [source: string]: SavedTime }
  /** Stream time by operator. */
  readonly streamTimes: { readonly [operator: string]: number }
  /** Where changelogs are kept: which life of them, and which checkpoint of it. */
  readonly history?: string
  readonly checkpoint?: number
}

export const MANIFEST = 'manifest'

/** The state that an entry belongs to; undefined for what concerns the whole task. */
export const stateOf = (key: string): string | undefined =>
  key.startsWith('s/') ? key.slice(2, key.indexOf('/', 2)) : undefined

export const manifestEntry = (manifest: Manifest): StoreEntry => [MANIFEST, utf8.encode(JSON.stringify(manifest))]

/** A task's checkpoint, sorted by state. */
export class Snapshot {
  readonly manifest: Manifest | undefined
  private readonly states = new Map<string, [key: string, value: Uint8Array][]>()

  constructor(task: string, entries: Iterable<readonly [key: string, value: Uint8Array]>) {
    let manifest: Manifest | undefined
    for (const [key, value] of entries) {
      const name = stateOf(key)
      if (key === MANIFEST) manifest = readManifest(task, value)
      else if (name !== undefined) {
        const list = this.states.get(name)
        const entry: [string, Uint8Array] = [key.slice(name.length + 3), value]
        if (list === undefined) this.states.set(name, [entry])
        else list.push(entry)
      }
    }
    this.manifest = manifest
  }

  /** Hands out a state's entries, once. */
  take(name: string): readonly (readonly [key: string, value: Uint8Array])[] {
    const entries = this.states.get(name) ?? []
    this.states.delete(name)
    return entries
  }
}

export function readManifest(task: string, value: Uint8Array): Manifest {
  try {
    const manifest = JSON.parse(utf8.decode(value)) as Manifest
    if (manifest.version === 1) return manifest
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
