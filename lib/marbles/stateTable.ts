import { show, TidemarkError } from '../record/errors.js'
import { keyText } from '../record/key.js'
import type { TracedState, TraceEvent } from '../task/traceEvent.js'
import { dayText, timeText } from './axis.js'
import { html } from './html.js'
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
  /** Forgets all that was told after that event. */
  truncate(id: number): void
  destroy(): void
}

/** Changes that are kept per row, for {@link StateTable.truncate}. */
const CHANGES_PER_ROW = 200

/** Shows a state beside the view: the last changed entries, newest first. Draws in a shadow root within `element`. @throws TidemarkError `BAD_OPTION` */
export function stateTable(element: HTMLElement, options: StateTableOptions): StateTable {
  const { rows = 12, state, label = state } = options
  if (!Number.isInteger(rows) || rows < 1)
    throw new TidemarkError('BAD_OPTION', `stateTable: rows must be a whole number of at least 1; got ${show(rows)}`)
  const columns = options.columns ?? fieldsOf
  const caption = html('caption', {}, label)
  const head = html('thead')
  const body = html('tbody')
  const root = html(
    'div',
    { class: 'root', tabindex: 0, role: 'region', 'aria-label': label },
    html('table', {}, caption, head, body),
  )
  const shadow = element.shadowRoot ?? element.attachShadow({ mode: 'open' })
  shadow.append(html('style', {}, STYLE + TABLE_STYLE), root)

  let changes: TracedState[] = []
  /** Live entries, the last changed last. */
  let entries = new Map<string, TracedState>()
  let fresh = 0
  let frame = 0
  let isDestroyed = false

  function take(event: TracedState): void {
    const id = `${event.window?.start ?? event.at ?? ''}/${event.window?.end ?? ''}/${keyText(event.key)}`
    entries.delete(id)
    if (!event.isDeleted) entries.set(id, event)
  }

  function draw(): void {
    frame = 0
    const shown = [...entries.values()].reverse().slice(0, rows)
    const cells = shown.map(({ value }) => columns(value))
    const names = [...new Set(cells.flatMap((cell) => Object.keys(cell)))]
    const hasWindows = shown.some(({ window }) => window !== undefined)
    const titles = ['key', ...(hasWindows ? ['window'] : []), ...names]
    head.replaceChildren(html('tr', {}, ...titles.map((title) => html('th', { scope: 'col' }, title))))
    body.replaceChildren(
      ...shown.map((event, index) =>
        html(
          'tr',
          { class: event.id > fresh ? 'fresh' : undefined },
          html('th', { scope: 'row' }, keyName(event.key)),
          ...(hasWindows ? [html('td', {}, windowCell(event))] : []),
          ...names.map((name) => html('td', {}, cellText(cells[index]?.[name]))),
        ),
      ),
    )
    caption.textContent = `${label} · ${entries.size} ${entries.size === 1 ? 'entry' : 'entries'}`
    fresh = changes.at(-1)?.id ?? fresh
  }

  function soon(): void {
    if (frame === 0 && !isDestroyed) frame = requestAnimationFrame(draw)
  }
  draw()

  return {
    add(event) {
      if (event.type !== 'state' || event.state !== state) return
      take(event)
      changes.push(event)
      if (changes.length > rows * CHANGES_PER_ROW * 2) changes = changes.slice(-rows * CHANGES_PER_ROW)
      soon()
    },
    truncate(id) {
      changes = changes.filter((event) => event.id <= id)
      entries = new Map()
      for (const event of changes) take(event)
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

const windowCell = ({ window }: TracedState) =>
  window === undefined
    ? ''
    : html('span', { title: dayText(window.start) }, `${timeText(window.start)}–${timeText(window.end)}`)
