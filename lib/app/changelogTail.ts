import type { StoreAdapter, StoreEntry } from '../ports/store.js'
import { MARK } from './changelog.js'

/** Beyond either of these, what has been read goes to the local store. */
const MAX_ENTRIES = 20_000
const MAX_BYTES = 8 << 20

/** Where a tail is written while it is read. */
interface TailStore {
  readonly store: Pick<StoreAdapter, 'commit'>
  readonly scope: string
  /** It takes the place of all that the scope holds. */
  readonly isWhole: boolean
}

/** What changelogs hold beyond a local checkpoint: in memory, or in the local store where there may be more of it than memory holds. */
export class ChangelogTail {
  /** Those in memory, the later ones in place of the earlier. */
  entries = new Map<string, Uint8Array | null>()
  /** Nothing more may be written. */
  isGivenUp = false
  private bytes = 0
  /** Some of it has been written: until the end is, the scope says nothing of how far it is. */
  isBegun = false

  constructor(private readonly to: TailStore | undefined) {}

  /** Whether there is anything in it. */
  get isEmpty(): boolean {
    return !this.isBegun && this.entries.size === 0
  }

  add(key: string, value: Uint8Array | null): void {
    this.entries.set(key, value)
    this.bytes += key.length + (value?.length ?? 0)
  }

  /** Makes room, if that is needed. */
  flush(): Promise<void> | undefined {
    if (this.to === undefined || (this.entries.size < MAX_ENTRIES && this.bytes < MAX_BYTES)) return undefined
    // Until all of it is there, nothing says how far it is: a crash in between makes it be restored as a whole.
    return this.write([MARK, null])
  }

  /** Writes what is left, with how far it is. */
  async end(mark: StoreEntry): Promise<void> {
    await this.write(mark)
  }

  private write(mark: StoreEntry): Promise<void> {
    const { store, scope, isWhole } = this.to as TailStore
    const reset = isWhole && !this.isBegun
    this.isBegun = true
    const entries = [...this.entries, mark]
    this.entries = new Map()
    this.bytes = 0
    return store.commit([{ scope, entries, reset }])
  }
}
