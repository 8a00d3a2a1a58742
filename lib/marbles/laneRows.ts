import { timeText } from './axis.js'
import { html } from './html.js'
import type { Lane } from './lane.js'
import type { Layout } from './layout.js'
import type { Scene } from './scene.js'

interface Row {
  readonly row: HTMLElement
  /** What a screen reader finds there: a summary, or the record that has been chosen. */
  readonly cell: HTMLElement
}

/** Lanes as rows of a grid, with their names: what there is of the canvas for those who don't see it. */
export class LaneRows {
  private readonly rows = new Map<Lane, Row>()
  private placed = ''

  constructor(
    private readonly grid: HTMLElement,
    private readonly scene: Scene,
    private readonly titleOf: (lane: Lane) => string,
  ) {}

  /** Puts them where the layout has them. */
  place({ strips, isNarrow, left, width }: Layout): void {
    const key = [width, ...strips.map(({ lane, top, height }) => `${lane.id} ${top} ${height}`)].join()
    const hasAll = strips.length === this.rows.size && strips.every(({ lane }) => this.rows.has(lane))
    if (hasAll && key === this.placed) return
    this.placed = key
    for (const [lane, { row }] of this.rows) {
      if (strips.some((strip) => strip.lane === lane)) continue
      row.remove()
      this.rows.delete(lane)
    }
    for (const { lane, top, height } of strips) {
      const { row } = this.rowOf(lane)
      row.style.top = `${top}px`
      row.style.height = `${height}px`
      row.style.width = isNarrow ? '100%' : `${left}px`
      // In the order of the lanes.
      this.grid.append(row)
    }
  }

  /** Says how much there is in each lane, but in that of the chosen record. */
  summarise(chosen: Lane | undefined): void {
    for (const [lane, { cell }] of this.rows) {
      if (lane === chosen) continue
      const text = this.summaryOf(lane)
      if (cell.textContent !== text) cell.textContent = text
    }
  }

  /** Says which record of a lane has been chosen. */
  choose(chosen: Lane, text: string): void {
    for (const [lane, { cell }] of this.rows) {
      const isHere = lane === chosen
      cell.textContent = isHere ? text : this.summaryOf(lane)
      cell.setAttribute('aria-selected', String(isHere))
      if (isHere) this.grid.setAttribute('aria-activedescendant', cell.id)
    }
  }

  private rowOf(lane: Lane): Row {
    const known = this.rows.get(lane)
    if (known !== undefined) return known
    const cell = html('div', { role: 'gridcell', id: `lane-${lane.id}`, class: 'sr' })
    const name = html(
      'div',
      { role: 'rowheader', class: 'name' },
      html('b', {}, this.titleOf(lane)),
      html('span', {}, aboutOf(lane)),
    )
    const made = { row: html('div', { role: 'row', class: 'row' }, name, cell), cell }
    this.rows.set(lane, made)
    return made
  }

  private summaryOf(lane: Lane): string {
    const time = this.scene.timeOf(lane)
    const open = [...lane.brackets.values()].filter(({ isClosed }) => !isClosed).length
    return [
      counted(lane.marbles.length, 'record'),
      ...(lane.dropped > 0 ? [`${lane.dropped} dropped`] : []),
      ...(lane.brackets.size > 0 ? [counted(open, 'open window')] : []),
      ...(time === undefined ? [] : [`time ${timeText(time)}`]),
    ].join(', ')
  }
}

const counted = (count: number, what: string) => `${count} ${what}${count === 1 ? '' : 's'}`

/** `tumblingWindow 60000 ms` as `tumbling 1m`. */
function aboutOf({ node }: Lane): string {
  const { windows, role, kind, operator } = node
  if (windows === undefined) return role === 'source' ? 'source' : kind === operator ? '' : kind
  return windows.replace('Window', '').replace(/\d+ ms/g, (text) => shortDuration(Number.parseInt(text, 10)))
}

function shortDuration(ms: number): string {
  const [size, unit] = UNITS.find(([size]) => ms >= size && ms % size === 0) ?? [1, 'ms']
  return `${ms / size}${unit}`
}

const UNITS = [
  [86_400_000, 'd'],
  [3_600_000, 'h'],
  [60_000, 'm'],
  [1_000, 's'],
] as const
