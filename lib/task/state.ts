import type { StoreEntry } from '../ports/store.js'
import { compareKeys, type Key, keyIdentity, keyText, parseKey } from '../record/key.js'
import type { StateValues } from './stateValues.js'
import { decode, encode, mayLeave, type StoredValue } from './storedValue.js'
import type { TaskValues } from './taskValues.js'

/** One key's place in a state. `timestamp` is that of the newest record behind `value`, in ms. */
export interface Cell<V> {
  readonly key: Key
  value: V
  timestamp: number
  /** Listed for the next checkpoint. */
  dirty: boolean
  deleted: boolean
  /** The value is in the store alone: reading it here reads it there. */
  readonly isCold?: boolean
  /** There if the value may be in the store alone: what it is, without bringing it back. */
  peek?(): V
}

/** A cell's value, for who only looks at it once: one that has left memory doesn't come back by that. */
export const peek = <V>(cell: Cell<V>): V => (cell.peek === undefined ? cell.value : cell.peek())

/** Stands for a value that is in the store alone. */
export const COLD: unique symbol = Symbol('cold')

/** What a task's checkpoint asks of each of its states. */
export interface Checkpointed {
  readonly name: string
  /** How its entries are filed: what is filed otherwise can't be read. */
  readonly form: 'by key' | 'by window and key' | 'by time and key'
  /** Encodes what has changed since the last call into `entries` and forgets that it has. */
  takeChanges(entries: StoreEntry[]): void
  /** What it gave then is in the store. */
  written(): void
}

/** Where a task keeps one state's entries until the state asks for them. */
export interface StateHome {
  /** False where nothing is ever committed (local tasks): changes aren't listed then. */
  readonly tracked: boolean
  /** The stored entries of a state, without the prefix of its name. */
  restored(name: string): Iterable<readonly [key: string, value: StoredValue]>
  /** There if values may leave memory. */
  readonly values?: TaskValues | undefined
}

/** Store keys of a state's entries begin with this. */
export const stateKey = (name: string, rest: string) => `s/${name}/${rest}`

/** What the kinds of state have in common: the list of what the next checkpoint has to write, and how a value comes back that has left memory. */
export abstract class Cells<V, C extends Cell<V>> implements Checkpointed {
  abstract readonly form: Checkpointed['form']
  private changed: C[] = []
  /** What the checkpoint has that is being written. */
  private taken: readonly C[] = []
  private readonly tracked: boolean
  private readonly values: StateValues | undefined

  constructor(
    readonly name: string,
    home: StateHome,
  ) {
    this.tracked = home.tracked
    this.values = home.values?.state(this)
  }

  /** Where a cell is among the state's stored entries. */
  protected abstract placeOf(cell: C): string

  protected decoded(stored: StoredValue): readonly [value: V, timestamp: number] {
    return typeof stored === 'number' ? [COLD as V, stored] : decode<V>(stored, this.name)
  }

  /** A new cell, as the state holds it. */
  protected held(cell: C): C {
    return this.values === undefined ? cell : this.values.hold(cell)
  }

  /** A cell that an entry was made into. Its bytes are there, though its value may leave: the store has another, as when a migration has made this one. */
  protected restored(cell: C, stored: StoredValue): void {
    if (this.values === undefined || typeof stored === 'number' || !mayLeave(cell.value)) return
    this.values.unstored(cell, stored.length)
    this.touch(cell)
  }

  /** What the store has of a cell. @throws TidemarkError `STORE_FAILED` */
  read(cell: C): readonly [value: V, bytes: number] {
    const bytes = (this.values as StateValues).task.read(stateKey(this.name, this.placeOf(cell)))
    return [decode<V>(bytes, this.name)[0], bytes.length]
  }

  /** Cells to walk over: their values aren't brought back for good by that. */
  protected walk(cells: IterableIterator<C>): IterableIterator<C> {
    return this.values === undefined ? cells : this.values.walk(cells)
  }

  /** Lists a cell whose content has changed. */
  touch(cell: C): void {
    if (this.tracked && !cell.dirty) {
      cell.dirty = true
      this.changed.push(cell)
      this.values?.changed(cell)
    }
  }

  takeChanges(entries: StoreEntry[]): void {
    for (const cell of this.changed) {
      cell.dirty = false
      // A cell that was deleted and its successor are both listed, in this order: the later entry wins.
      const bytes = cell.deleted ? null : encode(cell, this.name)
      entries.push([stateKey(this.name, this.placeOf(cell)), bytes])
      this.values?.encoded(cell, bytes?.length ?? 0)
    }
    if (this.values !== undefined) {
      this.values.taken()
      this.taken = this.changed
    }
    this.changed = []
  }

  written(): void {
    this.values?.written(this.taken)
    this.taken = []
  }
}

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
export class CellState<K extends Key, V> extends Cells<V, Cell<V>> implements KeyedState<K, V> {
  readonly form = 'by key'
  private readonly cells = new Map<unknown, Cell<V>>()

  constructor(name: string, home: StateHome) {
    super(name, home)
    for (const [key, stored] of home.restored(name)) {
      const [content, timestamp] = this.decoded(stored)
      this.restored(this.insert(parseKey(key) as K, content, timestamp), stored)
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
    const cell = this.held({ key, value, timestamp, dirty: false, deleted: false })
    this.cells.set(keyIdentity(key), cell)
    return cell
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
    for (const cell of this.all()) yield [cell.key as K, cell.value]
  }

  all(): IterableIterator<Cell<V>> {
    return this.walk(this.cells.values())
  }

  protected placeOf({ key }: Cell<V>): string {
    return keyText(key)
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
export class WindowState<V> extends Cells<V, WindowCell<V>> {
  readonly form = 'by window and key'
  private readonly windows = new Map<number, WindowCells<V>>()
  /** The starts of all windows held, ascending. */
  private readonly starts: number[] = []
  size = 0

  constructor(name: string, home: StateHome) {
    super(name, home)
    for (const [key, stored] of home.restored(name)) {
      const slash = key.indexOf('/')
      const [content, timestamp] = this.decoded(stored)
      const window = this.window(Number(key.slice(0, slash)))
      this.restored(this.insert(window, parseKey(key.slice(slash + 1)), content, timestamp), stored)
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
    const cell = this.held({ key, value, timestamp, dirty: false, deleted: false, start })
    window.cells.set(keyIdentity(key), cell)
    this.size++
    return cell
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

  all(): IterableIterator<WindowCell<V>> {
    return this.walk(this.each())
  }

  private *each(): IterableIterator<WindowCell<V>> {
    for (const start of this.starts) yield* (this.windows.get(start) as WindowCells<V>).cells.values()
  }

  protected placeOf({ start, key }: WindowCell<V>): string {
    return `${start}/${keyText(key)}`
  }
}
