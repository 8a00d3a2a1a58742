import { wholeNumber } from '../record/wholeNumber.js'
import type { TracedState, TraceEvent } from '../task/traceEvent.js'
import { dayText, timeText } from './axis.js'
import { emptyShadow } from './emptyShadow.js'
import { html } from './html.js'
import { LiveEntries } from './liveEntries.js'
import { keyName, valueText } from './marbleText.js'
import { STYLE } from './style.js'
import { TABLE_STYLE } from './tableStyle.js'

export interface StateTableOptions {
  /** The state's name: the operator's, or `name.part`. */
  readonly state: string
  /** Entries shown: those that have changed last. Default 12. */
  readonly rows?: number
  /** A value as cells by column. Default: its fields, or `value`. */
  readonly columns?: (value: any) => { readonly [column: string]: unknown }
  /** Its caption. Default: the state's name. */
  readonly label?: string
}

/** The entries of a state that have changed last. */
export interface StateTable {
  /** Takes what a tracer tells. */
  readonly add: (event: TraceEvent) => void
  /**
   * Forgets all that was told after that event. The last changes are kept for it, at least 200 per row: further back, entries that have changed since are missing until they
   * are told of again, and the caption says so.
   */
  truncate(id: number): void
  destroy(): void
}

/** Changes that are kept per row, for {@link StateTable.truncate}. */
const CHANGES_PER_ROW = 200

/** Shows a state beside the view: the last changed entries, newest first. Draws in a shadow root within `element`, which shows nothing else. @throws TidemarkError `BAD_OPTION` */
export function stateTable(element: HTMLElement, options: StateTableOptions): StateTable {
  const { state, label = state } = options
  const rows = wholeNumber(options.rows ?? 12, 'stateTable: rows', 1)
  const columns = options.columns ?? fieldsOf
  const caption = html('caption', {}, label)
  const head = html('thead')
  const body = html('tbody')
  const root = html(
    'div',
    { class: 'root', tabindex: 0, role: 'region', 'aria-label': label },
    html('table', {}, caption, head, body),
  )
  const shadow = emptyShadow(element, 'stateTable')
  shadow.append(html('style', {}, STYLE + TABLE_STYLE), root)

  const entries = new LiveEntries(rows * CHANGES_PER_ROW)
  let fresh = 0
  let frame = 0
  let isDestroyed = false

  function draw(): void {
    frame = 0
    const { size } = entries.all
    const shown = [...entries.all.values()].slice(-rows).reverse()
    const cells = shown.map(({ value }) => columns(value))
    const names = [...new Set(cells.flatMap((cell) => Object.keys(cell)))]
    const hasWindows = shown.some(({ window }) => window !== undefined)
    // One key in several partitions.
    const hasTasks = new Set(shown.map(placeText)).size < shown.length
    const titles = ['key', ...(hasTasks ? ['task'] : []), ...(hasWindows ? ['window'] : []), ...names]
    head.replaceChildren(html('tr', {}, ...titles.map((title) => html('th', { scope: 'col' }, title))))
    body.replaceChildren(
      ...shown.map((event, index) =>
        html(
          'tr',
          { class: event.id > fresh ? 'fresh' : undefined },
          html('th', { scope: 'row' }, keyName(event.key)),
          ...(hasTasks ? [html('td', {}, event.task)] : []),
          ...(hasWindows ? [html('td', {}, windowCell(event))] : []),
          ...names.map((name) => html('td', {}, cellText(cells[index]?.[name]))),
        ),
      ),
    )
    caption.textContent = `${label} · ${size} ${size === 1 ? 'entry' : 'entries'}${entries.isPartial ? ', others not known any more' : ''}`
    fresh = Math.max(fresh, entries.last)
  }

  function soon(): void {
    if (frame === 0 && !isDestroyed) frame = requestAnimationFrame(draw)
  }
  draw()

  return {
    add(event) {
      if (event.type !== 'state' || event.state !== state) return
      entries.add(event)
      soon()
    },
    truncate(id) {
      entries.truncate(id)
      fresh = id
      soon()
    },
    destroy() {
      isDestroyed = true
      cancelAnimationFrame(frame)
      shadow.replaceChildren()
    },
  }
}

function fieldsOf(value: unknown): { readonly [column: string]: unknown } {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : { value }
}

const cellText = (value: unknown) =>
  value === undefined
    ? ''
    : typeof value === 'number'
      ? value.toLocaleString('en', { maximumFractionDigits: 2 })
      : valueText(value)

const placeText = ({ key, window, at }: TracedState) =>
  `${keyName(key)}/${window?.start ?? at ?? ''}/${window?.end ?? ''}`

const windowCell = ({ window }: TracedState) =>
  window === undefined
    ? ''
    : html('span', { title: dayText(window.start) }, `${timeText(window.start)}–${timeText(window.end)}`)
