import type { StoreEntry } from '../ports/store.js'
import { TidemarkError } from '../record/errors.js'
import { compareKeys, type Key, keyIdentity, keyText, parseKey } from '../record/key.js'
import { utf8 } from '../record/serde.js'
import { stateJson } from './stateJson.js'

/** One key's place in a state. `timestamp` is that of the newest record behind `value`, in ms. */
export interface Cell<V> {
  readonly key: Key
  value: V
  timestamp: number
  /** Listed for the next checkpoint. */
  dirty: boolean
  deleted: boolean
}

/** What a task's checkpoint asks of each of its states. */
export interface Checkpointed {
  readonly name: string
  /** How its entries are filed: what is filed otherwise can't be read. */
  readonly form: 'by key' | 'by window and key' | 'by time and key'
  /** Encodes what has changed since the last call into `entries` and forgets that it has. */
  takeChanges(entries: StoreEntry[]): void
}

/** Where a task keeps one state's entries until the state asks for them. */
export interface StateHome {
  /** False where nothing is ever committed (local tasks): changes aren't listed then. */
  readonly tracked: boolean
  /** The stored entries of a state, without the prefix of its name. */
  restored(name: string): Iterable<readonly [key: string, value: Uint8Array]>
}

/** Store keys of a state's entries begin with this. */
export const stateKey = (name: string, rest: string) => `s/${name}/${rest}`

/** Values by key, in memory, with a list of what the next checkpoint has to write. */
export interface KeyedState<K extends Key, V> {
  readonly size: number
  get(key: K): V | undefined
  put(key: K, value: V): void
  delete(key: K): void
  /** In the order of insertion. */
  entries(): IterableIterator<[K, V]>
}

/** The state behind {@link KeyedState}, and behind tables and aggregates, which work on its cells. */
export class CellState<K extends Key, V> implements KeyedState<K, V>, Checkpointed {
  readonly form = 'by key'
  private readonly cells = new Map<unknown, Cell<V>>()
  private changed: Cell<V>[] = []
  private readonly tracked: boolean

  constructor(
    readonly name: string,
    home: StateHome,
  ) {
    this.tracked = home.tracked
    for (const [key, value] of home.restored(name)) {
      const [content, timestamp] = decode<V>(value, name)
      this.insert(parseKey(key) as K, content, timestamp)
    }
  }

  get size(): number {
    return this.cells.size
  }

  cell(key: K): Cell<V> | undefined {
    return this.cells.get(keyIdentity(key))
  }

  /** A cell for a key that has none; its owner calls {@link touch} once it holds its first value. */
  insert(key: K, value: V, timestamp: number): Cell<V> {
    const cell: Cell<V> = { key, value, timestamp, dirty: false, deleted: false }
    this.cells.set(keyIdentity(key), cell)
    return cell
  }

  /** Lists a cell whose content has changed. */
  touch(cell: Cell<V>): void {
    if (this.tracked && !cell.dirty) {
      cell.dirty = true
      this.changed.push(cell)
    }
  }

  remove(cell: Cell<V>): void {
    cell.deleted = true
    this.cells.delete(keyIdentity(cell.key))
    this.touch(cell)
  }

  get(key: K): V | undefined {
    return this.cell(key)?.value
  }

  put(key: K, value: V, timestamp = 0): void {
    const cell = this.cell(key) ?? this.insert(key, value, timestamp)
    cell.value = value
    cell.timestamp = timestamp
    this.touch(cell)
  }

  delete(key: K): void {
    const cell = this.cell(key)
    if (cell !== undefined) this.remove(cell)
  }

  *entries(): IterableIterator<[K, V]> {
    for (const cell of this.cells.values()) yield [cell.key as K, cell.value]
  }

  all(): IterableIterator<Cell<V>> {
    return this.cells.values()
  }

  takeChanges(entries: StoreEntry[]): void {
    for (const cell of this.changed) {
      cell.dirty = false
      // A cell that was deleted and its successor are both listed, in this order: the later entry wins.
      entries.push([stateKey(this.name, keyText(cell.key)), cell.deleted ? null : encode(cell, this.name)])
    }
    this.changed = []
  }
}

/** A key's place in one window. */
export interface WindowCell<V> extends Cell<V> {
  /** The window's. */
  readonly start: number
}

/** One window's cells, by key. */
export interface WindowCells<V> {
  readonly start: number
  readonly cells: Map<unknown, WindowCell<V>>
}

/**
 * Values by window start and key. Few windows are open at a time and they close as a whole, so the window is the outer level:
 * closing one is a step, whatever the number of its keys.
 */
export class WindowState<V> implements Checkpointed {
  readonly form = 'by window and key'
  private readonly windows = new Map<number, WindowCells<V>>()
  /** The starts of all windows held, ascending. */
  private readonly starts: number[] = []
  private changed: WindowCell<V>[] = []
  private readonly tracked: boolean
  size = 0

  constructor(
    readonly name: string,
    home: StateHome,
  ) {
    this.tracked = home.tracked
    for (const [key, value] of home.restored(name)) {
      const slash = key.indexOf('/')
      const [content, timestamp] = decode<V>(value, name)
      this.insert(this.window(Number(key.slice(0, slash))), parseKey(key.slice(slash + 1)), content, timestamp)
    }
  }

  /** The earliest window held. */
  first(): number | undefined {
    return this.starts[0]
  }

  at(start: number): WindowCells<V> | undefined {
    return this.windows.get(start)
  }

  /** The window that starts there, made if there was none. */
  window(start: number): WindowCells<V> {
    let window = this.windows.get(start)
    if (window === undefined) {
      window = { start, cells: new Map() }
      this.windows.set(start, window)
      let at = this.starts.length
      while (at > 0 && (this.starts[at - 1] as number) > start) at--
      this.starts.splice(at, 0, start)
    }
    return window
  }

  cell(window: WindowCells<V>, key: Key): WindowCell<V> | undefined {
    return window.cells.get(keyIdentity(key))
  }

  /** A cell for a key that has none there; its owner calls {@link touch} once it holds its first value. */
  insert(window: WindowCells<V>, key: Key, value: V, timestamp: number): WindowCell<V> {
    const { start } = window
    const cell: WindowCell<V> = { key, value, timestamp, dirty: false, deleted: false, start }
    window.cells.set(keyIdentity(key), cell)
    this.size++
    return cell
  }

  /** Lists a cell whose content has changed. */
  touch(cell: WindowCell<V>): void {
    if (this.tracked && !cell.dirty) {
      cell.dirty = true
      this.changed.push(cell)
    }
  }

  /** Removes one cell. Its window stays, even if nothing is left in it. */
  remove(cell: WindowCell<V>): void {
    this.at(cell.start)?.cells.delete(keyIdentity(cell.key))
    this.size--
    cell.deleted = true
    this.touch(cell)
  }

  /** Frees the earliest window and gives its cells, in the order of their keys if asked to. */
  takeFirst(isSorted: boolean): WindowCell<V>[] {
    const start = this.starts.shift() as number
    const window = this.windows.get(start) as WindowCells<V>
    this.windows.delete(start)
    const cells = [...window.cells.values()]
    this.size -= cells.length
    for (const cell of cells) {
      cell.deleted = true
      this.touch(cell)
    }
    return isSorted ? cells.sort((a, b) => compareKeys(a.key, b.key)) : cells
  }

  *all(): IterableIterator<WindowCell<V>> {
    for (const start of this.starts) yield* (this.windows.get(start) as WindowCells<V>).cells.values()
  }

  takeChanges(entries: StoreEntry[]): void {
    for (const cell of this.changed) {
      cell.dirty = false
      // A cell that was deleted and its successor are both listed, in this order: the later entry wins.
      entries.push([
        stateKey(this.name, `${cell.start}/${keyText(cell.key)}`),
        cell.deleted ? null : encode(cell, this.name),
      ])
    }
    this.changed = []
  }
}

export function encode(cell: Pick<Cell<unknown>, 'key' | 'value' | 'timestamp'>, state: string): Uint8Array {
  try {
    return utf8.encode(
      cell.timestamp === 0 ? `[${stateJson(cell.value)}]` : `[${stateJson(cell.value)},${cell.timestamp}]`,
    )
  } catch (cause) {
    throw new TidemarkError(
      'NOT_SERIALISABLE',
      `state ${state} holds a value that a checkpoint can't write`,
      { operator: state, key: cell.key },
      { cause },
    )
  }
}

export function decode<V>(value: Uint8Array, state: string): [content: V, timestamp: number] {
  try {
    const [content, timestamp = 0] = JSON.parse(utf8.decode(value)) as [V, number?]
    return [content, timestamp]
  } catch (cause) {
    throw new TidemarkError(
      'STORE_FAILED',
      `state ${state} holds an entry that isn't what a checkpoint writes`,
      { operator: state },
      { cause },
    )
  }
}
