import { compareKeys, type Key, keyIdentity, keyText, parseKey } from '../record/key.js'
import { LazyHeap } from './lazyHeap.js'
import { type Cell, Cells, type StateHome } from './state.js'

/** A value with its place in time, and its number among those that have the same place and key. */
export interface SeriesCell<V> extends Cell<V> {
  /** ms */
  readonly at: number
  readonly seq: number
}

/**
 * Many values per key, each with a place in time: sessions by their end, the rows of a join by their timestamp, versions of a row. Found
 * by key and range, and freed from the earliest of all keys on.
 */
export class SeriesState<V> extends Cells<V, SeriesCell<V>> {
  readonly form = 'by time and key'
  private readonly byKey = new Map<unknown, SeriesCell<V>[]>()
  /** All cells, the earliest first. */
  private readonly heap: LazyHeap<SeriesCell<V>> = new LazyHeap<SeriesCell<V>>(compare, this)
  size = 0

  constructor(name: string, home: StateHome) {
    super(name, home)
    const restored: SeriesCell<V>[] = []
    for (const [text, stored] of home.restored(name)) {
      const [at, seq] = text.split('/', 2) as [string, string]
      const [value, timestamp] = this.decoded(stored)
      const key = parseKey(text.slice(at.length + seq.length + 2))
      const place = { at: Number(at), seq: Number(seq) }
      const cell = this.held({ key, ...place, value, timestamp, dirty: false, deleted: false })
      this.restored(cell, stored)
      restored.push(cell)
    }
    for (const cell of restored.sort(compare)) this.add(cell)
  }

  /** A key's values by place, then arrival. Not to be kept over a change. */
  of(key: Key): readonly SeriesCell<V>[] {
    return this.byKey.get(keyIdentity(key)) ?? NONE
  }

  /** A key's values with `from <= at <= to`. */
  between(key: Key, from: number, to: number): readonly SeriesCell<V>[] {
    const series = this.of(key)
    return series.slice(firstFrom(series, from), firstAfter(series, to))
  }

  /** A key's last value with `at <= place`. */
  lastUntil(key: Key, place: number): SeriesCell<V> | undefined {
    const series = this.of(key)
    return series[firstAfter(series, place) - 1]
  }

  /** A key's last value with `at < place`. */
  before(key: Key, place: number): SeriesCell<V> | undefined {
    const series = this.of(key)
    let index = firstAfter(series, place) - 1
    while (series[index]?.at === place) index--
    return series[index]
  }

  /** A key's first value with `at > place`. */
  after(key: Key, place: number): SeriesCell<V> | undefined {
    const series = this.of(key)
    return series[firstAfter(series, place)]
  }

  /** Each key's last value. */
  lasts(): IterableIterator<SeriesCell<V>> {
    return this.walk(this.eachLast())
  }

  private *eachLast(): IterableIterator<SeriesCell<V>> {
    for (const series of this.byKey.values()) yield series[series.length - 1] as SeriesCell<V>
  }

  /** The earliest of all keys; of those at one place by key, then arrival. */
  first(): SeriesCell<V> | undefined {
    return this.heap.peek()
  }

  isLive(cell: SeriesCell<V>): boolean {
    return !cell.deleted
  }

  /**
   * Adds a value behind those of its key that have the same place.
   *
   * @param seq what tells it from these, if not the number of its arrival
   */
  insert(key: Key, at: number, value: V, timestamp: number, seq = this.nextSeq(key, at)): SeriesCell<V> {
    const cell = this.held({ key, at, seq, value, timestamp, dirty: false, deleted: false })
    this.add(cell)
    this.touch(cell)
    return cell
  }

  private nextSeq(key: Key, at: number): number {
    const before = this.lastUntil(key, at)
    return before?.at === at ? before.seq + 1 : 0
  }

  private add(cell: SeriesCell<V>): void {
    const identity = keyIdentity(cell.key)
    const series = this.byKey.get(identity)
    if (series === undefined) this.byKey.set(identity, [cell])
    else series.splice(firstAfter(series, cell.at), 0, cell)
    this.heap.push(cell)
    this.size++
  }

  remove(cell: SeriesCell<V>): void {
    const identity = keyIdentity(cell.key)
    const series = this.byKey.get(identity) as SeriesCell<V>[]
    if (series.length === 1) this.byKey.delete(identity)
    // Most are freed from the first on: a shift moves nothing.
    else if (series[0] === cell) series.shift()
    else series.splice(series.indexOf(cell), 1)
    cell.deleted = true
    this.touch(cell)
    this.size--
    this.heap.sweep()
  }

  all(): IterableIterator<SeriesCell<V>> {
    return this.walk(this.each())
  }

  private *each(): IterableIterator<SeriesCell<V>> {
    for (const series of this.byKey.values()) yield* series
  }

  protected placeOf({ at, seq, key }: SeriesCell<V>): string {
    return `${at}/${seq}/${keyText(key)}`
  }
}

const NONE: readonly never[] = Object.freeze([])

const compare = (a: SeriesCell<unknown>, b: SeriesCell<unknown>) =>
  a.at - b.at || compareKeys(a.key, b.key) || a.seq - b.seq

/** Index of the first cell at that place or behind it. */
const firstFrom = (series: readonly SeriesCell<unknown>[], place: number) => search(series, (at) => at < place)

/** Index of the first cell behind that place. */
const firstAfter = (series: readonly SeriesCell<unknown>[], place: number) => search(series, (at) => at <= place)

function search(series: readonly SeriesCell<unknown>[], isBefore: (at: number) => boolean): number {
  let [low, high] = [0, series.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if (isBefore((series[middle] as SeriesCell<unknown>).at)) low = middle + 1
    else high = middle
  }
  return low
}
