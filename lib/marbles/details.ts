import { dayText, timeText } from './axis.js'
import { html } from './html.js'
import type { Lane, Marble } from './lane.js'
import type { Lineage } from './lineage.js'
import { keyName, shapeText, valueText, windowOf, windowText } from './marbleText.js'

/** So many links of each lane; the rest is counted. */
const MAX_LINKS = 20

export interface DetailsHost {
  readonly format: (value: unknown) => string
  nameOf(marble: Marble): string
  colourOf(marble: Marble): string
  /** A link was followed. */
  go(marble: Marble): void
  close(): void
}

/** What there is to say about a record: itself, where it came from, what it has touched. */
export class Details {
  readonly element = html('aside', { class: 'details', 'aria-label': 'Record', tabindex: -1, hidden: true })

  constructor(private readonly host: DetailsHost) {
    this.element.addEventListener('keydown', (event) => {
      if (event.key !== 'Escape') return
      event.stopPropagation()
      host.close()
    })
  }

  show(lineage: Lineage): void {
    const { host } = this
    const marble = lineage.of
    const close = html('button', { class: 'close', type: 'button', 'aria-label': 'Close details' }, '×')
    close.onclick = () => host.close()
    const window = windowOf(marble)
    const dot = html('i')
    dot.style.background = host.colourOf(marble)
    const count = lineage.window?.count
    const { topic, partition, offset } = marble.record
    this.element.replaceChildren(
      close,
      html('h2', {}, dot, keyName(marble.key)),
      html('p', {}, [host.nameOf(marble), shapeText(marble)].filter(Boolean).join(' · ')),
      html('pre', {}, pretty(marble.value)),
      facts([
        ['Event time', `${timeText(marble.time)} UTC, ${dayText(marble.time)}`],
        ['Window', window && windowText(window)],
        ['Records in it', count === undefined ? undefined : String(count)],
        ['Record', topic ? `${topic} ${partition}/${offset}` : undefined],
      ]),
      ...this.section(
        'Came from',
        lineage.from,
        marble.lane.node.role === 'source' ? 'outside: it is a source record' : '',
      ),
      ...this.section('Came out when time was moved by', lineage.movedBy === undefined ? [] : [lineage.movedBy], ''),
      ...this.section('What it touched', lineage.touched, 'nothing so far'),
      ...states(lineage),
    )
    this.element.hidden = false
  }

  hide(): void {
    this.element.hidden = true
    this.element.replaceChildren()
  }

  private section(title: string, marbles: readonly Marble[], none: string): HTMLElement[] {
    if (marbles.length === 0) return none === '' ? [] : [part(title, html('p', {}, none))]
    const byLane = new Map<Lane, Marble[]>()
    for (const marble of marbles) {
      const list = byLane.get(marble.lane)
      if (list === undefined) byLane.set(marble.lane, [marble])
      else list.push(marble)
    }
    return [part(title, ...[...byLane.values()].flatMap((list) => this.links(list)))]
  }

  private links(marbles: readonly Marble[]): HTMLElement[] {
    const { host } = this
    const list = html('ul', { class: 'links' })
    for (const marble of marbles.slice(0, MAX_LINKS)) {
      const dot = html('i')
      dot.style.background = host.colourOf(marble)
      const text = `${keyName(marble.key)} ${host.format(marble.value)}`
      const link = html(
        'button',
        { type: 'button' },
        dot,
        html('span', {}, text),
        html('small', {}, timeText(marble.time)),
      )
      link.onclick = () => host.go(marble)
      list.append(html('li', {}, link))
    }
    const more = marbles.length - MAX_LINKS
    const name = host.nameOf(marbles[0] as Marble)
    return [html('h4', {}, name), list, ...(more > 0 ? [html('p', {}, `and ${more} more`)] : [])]
  }
}

function facts(given: readonly (readonly [name: string, text: string | undefined])[]): HTMLElement {
  const list = html('dl')
  for (const [name, text] of given) if (text !== undefined) list.append(html('dt', {}, name), html('dd', {}, text))
  return list
}

const part = (title: string, ...children: readonly HTMLElement[]) =>
  html('section', { 'aria-label': title }, html('h3', {}, title), ...children)

function states({ states }: Lineage): HTMLElement[] {
  if (states.length === 0) return []
  const list = states
    .slice(0, MAX_LINKS)
    .map(({ state, key, window, value, isDeleted }) =>
      [state, valueText(key), window && windowText(window), isDeleted ? 'deleted' : `= ${valueText(value)}`]
        .filter(Boolean)
        .join(' '),
    )
  return [part('State that it changed', html('pre', {}, list.join('\n')))]
}

function pretty(value: unknown): string {
  const text = valueText(value)
  return text.length > 34 ? valueText(value, 2) : text
}
