import type { Broker, Position } from '../ports/broker.js'
import { loadAll } from '../ports/loadAll.js'
import type { StoreAdapter, StoreEntry } from '../ports/store.js'
import { show, TidemarkError } from '../record/errors.js'
import { utf8 } from '../record/serde.js'
import { dictionary } from './dictionary.js'
import { addHeads, readTask, type StoredTask } from './taskScopes.js'

/** A copy of an app's state as of one checkpoint, kept under a name in the same store. */
export interface Savepoint {
  readonly name: string
  /** When it was taken: wall clock, ms since the epoch. */
  readonly at: number
  /** The tasks whose state it has: those of this process then. */
  readonly tasks: number
  readonly states: readonly string[]
}

/** A savepoint with all that is needed to go on from it. */
export interface OpenSavepoint extends Savepoint {
  /** Where the topics that the app writes ended when it was taken, by topic and partition. */
  readonly ends: { readonly [topic: string]: readonly number[] }
  /** How far its topics had been read. */
  readonly positions: readonly Position[]
  /** The checkpoints by their scopes. */
  readonly scopes: ReadonlyMap<string, readonly StoreEntry[]>
}

/** Checkpoints by their scopes; undefined: the store has it. */
export type KeptScopes = ReadonlyMap<string, readonly StoreEntry[] | undefined>

type About = Omit<OpenSavepoint, 'scopes'>

const ABOUT = 'about'
const prefixOf = (app: string, name: string) => `savepoint/${app}/${name}/`

/** An app's savepoints in a store, which works with any adapter: a savepoint is copies of scopes, and an entry that says that all of them are there. */
export class Savepoints {
  constructor(
    private readonly app: string,
    private readonly store: StoreAdapter,
  ) {}

  async list(): Promise<Savepoint[]> {
    const found: Savepoint[] = []
    for (const scope of await this.store.scopes()) {
      const name = /^savepoint\/([^/]+)\/([^/]+)\/about$/.exec(scope)
      if (name?.[1] === this.app) found.push(toSavepoint(await this.about(name[2] as string)))
    }
    return found.sort((a, b) => a.at - b.at)
  }

  /**
   * Copies checkpoints, piece by piece: there is a savepoint once its last entry says so.
   *
   * @throws TidemarkError `BAD_OPTION`, `NAME_TAKEN`
   */
  async take(
    name: string,
    when: Pick<OpenSavepoint, 'at' | 'ends' | 'positions'>,
    kept: KeptScopes,
  ): Promise<Savepoint> {
    await this.checkFree(name)
    // Of one that was taken half-way.
    await this.forget(name)
    try {
      return await this.copy(name, when, kept)
    } catch (error) {
      // It would take room from the app, which goes on; if this fails too, `delete` does it.
      await this.forget(name).catch(() => {})
      throw error
    }
  }

  private async copy(
    name: string,
    when: Pick<OpenSavepoint, 'at' | 'ends' | 'positions'>,
    kept: KeptScopes,
  ): Promise<Savepoint> {
    const { app, store } = this
    const prefix = prefixOf(app, name)
    const tasks: StoredTask[] = []
    for (const [scope, entries] of kept) {
      const heads = new Map<string, Uint8Array>()
      const copy = async (stored: Iterable<StoreEntry>) => {
        const piece = [...stored]
        addHeads(heads, piece)
        await store.commit([{ scope: prefix + scope, entries: piece }])
      }
      if (entries === undefined) await store.load(scope, copy)
      else await copy(entries)
      const task = readTask(app, scope, heads)
      if (task !== undefined) tasks.push(task)
    }
    const states = [...new Set(tasks.flatMap(({ plan }) => Object.keys(plan.states)))].sort()
    const about: About = { name, tasks: tasks.length, states, ...when }
    const entry: StoreEntry = [ABOUT, utf8.encode(JSON.stringify(about))]
    await store.commit([{ scope: prefix + ABOUT, entries: [entry], reset: true }])
    return toSavepoint(about)
  }

  /** @throws TidemarkError `BAD_OPTION`, `NAME_TAKEN` */
  async checkFree(name: string): Promise<void> {
    const { app } = this
    if (!/^[A-Za-z0-9._-]+$/.test(name))
      throw new TidemarkError(
        'BAD_OPTION',
        `a savepoint's name may hold letters, digits, '.', '_' and '-' only; got ${show(name)}`,
        { app },
      )
    if (!(await this.store.scopes()).includes(prefixOf(app, name) + ABOUT)) return
    throw new TidemarkError('NAME_TAKEN', `there is a savepoint ${name}; delete it before, or take another name`, {
      app,
    })
  }

  /** @throws TidemarkError `BAD_OPTION` if there is none of that name */
  async open(name: string): Promise<OpenSavepoint> {
    const about = await this.about(name)
    const prefix = prefixOf(this.app, name)
    const scopes = new Map<string, readonly StoreEntry[]>()
    for (const scope of await this.store.scopes())
      if (scope.startsWith(prefix) && scope !== prefix + ABOUT)
        scopes.set(scope.slice(prefix.length), await loadAll(this.store, scope))
    return { ...about, scopes }
  }

  /**
   * Of one that was taken half-way, too: it isn't listed, and takes room.
   *
   * @throws TidemarkError `BAD_OPTION` if there is none of that name
   */
  async delete(name: string): Promise<void> {
    if ((await this.forget(name)) === 0) throw this.unknown(name)
  }

  /** @returns how many scopes it had */
  private async forget(name: string): Promise<number> {
    const scopes = (await this.store.scopes()).filter((scope) => scope.startsWith(prefixOf(this.app, name)))
    if (scopes.length > 0) await this.store.commit(scopes.map((scope) => ({ scope, entries: [], reset: true })))
    return scopes.length
  }

  private async about(name: string): Promise<About> {
    const entries = new Map(await loadAll(this.store, prefixOf(this.app, name) + ABOUT))
    const bytes = entries.get(ABOUT)
    if (bytes !== undefined) {
      const about = JSON.parse(utf8.decode(bytes)) as About
      return { ...about, ends: dictionary(about.ends) }
    }
    throw this.unknown(name)
  }

  private unknown(name: string): TidemarkError {
    return new TidemarkError('BAD_OPTION', `there is no savepoint ${name} in ${this.store.name}`, { app: this.app })
  }
}

const toSavepoint = ({ name, at, tasks, states }: About): Savepoint => ({ name, at, tasks, states })

/** Where topics end now, by partition; those that aren't there are left out. */
export async function endsOf(broker: Broker, topics: Iterable<string>): Promise<OpenSavepoint['ends']> {
  const existing = await broker.topics()
  const ends = dictionary<readonly number[]>()
  for (const topic of topics)
    if (existing.has(topic)) ends[topic] = (await broker.ranges(topic)).map((range) => range.end)
  return ends
}
