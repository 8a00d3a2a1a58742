import { join } from 'node:path'
import { ClassicLevel } from 'classic-level'
import type { StoreAdapter } from '../ports/store.js'
import { show, TidemarkError } from '../record/errors.js'
import { levelKey, scopeEnd, scopeOf, scopeStart } from './levelKey.js'
import { type OpenStore, storeAdapter } from './storeAdapter.js'

export interface LevelOptions {
  /**
   * Whether a commit waits until the disk itself has it, so that it survives a loss of power too (default false;
   * costs about a quarter of the speed). The end of the process, however sudden, loses no commit either way.
   */
  readonly sync?: boolean
  /**
   * Whether the app runs in one process only (default false): then a second one is refused with `STORE_LOCKED`
   * rather than given an empty folder of its own. What has no other copy of its data, as an embedded broker, wants it.
   */
  readonly exclusive?: boolean
}

/**
 * Keeps checkpoints on disk in LevelDB, through classic-level: a commit is one atomic batch.
 *
 * LevelDB locks its folder, so each process takes the first free `directory/<app>/instance-<n>`. Characters that
 * are not safe in a folder name on every system are written as `%` and their UTF-8 bytes. Nothing waits for a lock: the
 * operating system frees it with the process that held it, however that ended.
 *
 * ```ts
 * const app = createApp({ id: 'spend', broker: kafka({ brokers: ['localhost:9092'] }), store: level('./state') })
 * ```
 *
 * @throws TidemarkError `BAD_OPTION`; from `open`, with `exclusive`, `STORE_LOCKED`
 */
export function level(directory: string, options: LevelOptions = {}): StoreAdapter {
  if (typeof directory !== 'string' || directory === '') {
    throw new TidemarkError('BAD_OPTION', `level: the directory must be a non-empty string; got ${show(directory)}`)
  }
  const { sync = false, exclusive = false } = options
  const name = `level ${directory}`
  return storeAdapter({
    name,
    durable: true,
    shared: false,
    async take(app) {
      const folder = join(directory, folderName(app))
      for (let n = 0; ; n++) {
        const opened = await openUnlessLocked(join(folder, `instance-${n}`))
        if (opened) return openLevel(opened, sync)
        if (exclusive) {
          const message = `${name}: another process has it; stop that one, or leave out exclusive`
          throw new TidemarkError('STORE_LOCKED', message, { app })
        }
      }
    },
    getSync: (store, scope, key) => store.get(scope, key),
  })
}

type Level = ClassicLevel<string, Uint8Array>

async function openUnlessLocked(folder: string): Promise<Level | undefined> {
  const db = new ClassicLevel<string, Uint8Array>(folder, { keyEncoding: 'utf8', valueEncoding: 'buffer' })
  try {
    await db.open()
    return db
  } catch (error) {
    // classic-level says only "failed to open"; why is in the cause.
    const cause = (error as Error).cause ?? error
    if ((cause as { code?: string }).code === 'LEVEL_LOCKED') return undefined
    throw cause
  }
}

/** Capitals too: two apps must not share a folder where the file system takes A for a. */
function folderName(app: string): string {
  return app.replace(/[^a-z0-9_-]/gu, (character) =>
    Array.from(Buffer.from(character), (byte) => `%${byte.toString(16).padStart(2, '0')}`).join(''),
  )
}

// Large enough to make the trips to the thread pool cheap, small enough to hold the event loop for a few ms only.
const CHUNK_ENTRIES = 2_000
const CHUNK_BYTES = 1024 * 1024

async function eachChunk<T>(iterator: Chunks<T>, use: (chunk: T[]) => void | Promise<void>): Promise<void> {
  try {
    for (;;) {
      const chunk = await iterator.nextv(CHUNK_ENTRIES)
      if (chunk.length === 0) return
      await use(chunk)
    }
  } finally {
    await iterator.close()
  }
}

interface Chunks<T> {
  nextv(size: number): Promise<T[]>
  close(): Promise<void>
}

function rangeOf(scope: string) {
  const start = scopeStart(scope)
  return { gte: start, lt: scopeEnd(start), highWaterMarkBytes: CHUNK_BYTES }
}

interface OpenLevel extends OpenStore {
  get(scope: string, key: string): Uint8Array | undefined
}

function openLevel(db: Level, sync: boolean): OpenLevel {
  return {
    get: (scope, key) => db.getSync(levelKey(scope, key)),
    async load(scope, each) {
      const start = scopeStart(scope).length
      await eachChunk(db.iterator(rangeOf(scope)), (chunk) =>
        each(chunk.map(([key, value]) => [key.slice(start), value] as const)),
      )
    },
    async write(changes) {
      const batch = db.batch()
      try {
        for (const [scope, { reset, entries }] of changes) {
          if (reset) {
            await eachChunk(db.keys(rangeOf(scope)), (keys) => {
              for (const key of keys) batch.del(key)
            })
          }
          for (const [key, value] of entries) {
            if (value === null) batch.del(levelKey(scope, key))
            else batch.put(levelKey(scope, key), value)
          }
        }
        await batch.write({ sync })
      } finally {
        await batch.close()
      }
    },
    async scopes() {
      const scopes: string[] = []
      const iterator = db.keys()
      for (;;) {
        const key = await iterator.next()
        if (key === undefined) break
        const scope = scopeOf(key)
        scopes.push(scope)
        iterator.seek(scopeEnd(scopeStart(scope)))
      }
      await iterator.close()
      return scopes
    },
    release: () => db.close(),
  }
}
