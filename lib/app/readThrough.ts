import type { StoreAdapter } from '../ports/store.js'
import { TidemarkError } from '../record/errors.js'
import { wholeNumber } from '../record/wholeNumber.js'

type ReadableStore = StoreAdapter & Required<Pick<StoreAdapter, 'getSync'>>

/** The local store, as the place where values of states stay for which memory has no room. */
export class ReadThrough {
  constructor(
    readonly store: ReadableStore,
    /** What values may take in memory, over all tasks. */
    readonly maxBytes: number,
  ) {}

  find(scope: string, key: string): Uint8Array | undefined {
    return this.store.getSync(scope, key)
  }

  /** @throws TidemarkError `STORE_FAILED` also where there is no such entry */
  read(scope: string, key: string): Uint8Array {
    const found = this.find(scope, key)
    if (found !== undefined) return found
    throw new TidemarkError(
      'STORE_FAILED',
      `${this.store.name}: ${scope} has no entry ${key}, which was written to it; has something else changed the store?`,
    )
  }
}

interface ReadThroughOptions {
  readonly id: string
  readonly store: StoreAdapter
  readonly maxStateBytes?: number
}

/**
 * Undefined where all values stay in memory.
 *
 * @throws TidemarkError `BAD_OPTION` for a store that can't be read synchronously, or has no checkpoints
 */
export function readThroughOf(
  { id, store, maxStateBytes }: ReadThroughOptions,
  hasChangelogs: boolean,
): ReadThrough | undefined {
  if (maxStateBytes === undefined) return undefined
  const maxBytes = wholeNumber(maxStateBytes, 'createApp: maxStateBytes', 1)
  // What changelogs have is copied to a durable store only.
  if (store.getSync !== undefined && (store.durable || !hasChangelogs))
    return new ReadThrough(store as ReadableStore, maxBytes)
  throw new TidemarkError(
    'BAD_OPTION',
    `createApp: maxStateBytes: what memory has no room for is read from the store in the midst of a record, and ${store.name} can't do that${store.getSync === undefined ? '' : ' where changelogs keep the state'}; take level(), or leave it out`,
    { app: id },
  )
}
