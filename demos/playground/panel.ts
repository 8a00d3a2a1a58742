import { element } from '../site/element.js'
import type { Output } from '../site/messages.js'
import { moment } from '../site/moment.js'
import { Newest } from '../site/newest.js'
import type { Panel } from '../site/player.js'

const MAX_TEXT = 160

interface Shown {
  readonly root: HTMLElement
  readonly note: HTMLElement
  readonly newest: Newest<Output>
  count: number
}

/** What the pipeline writes, topic by topic. */
export function panel(host: HTMLElement): Panel {
  const topics = new Map<string, Shown>()
  const nothing = element(
    'section',
    { class: 'card' },
    element('p', { class: 'empty' }, 'Nothing has been written to a topic yet.'),
  )
  host.append(nothing)

  function shown(topic: string): Shown {
    const known = topics.get(topic)
    if (known !== undefined) return known
    const note = element('span', { class: 'note' })
    const newest = new Newest<Output>(item, '')
    const root = element(
      'section',
      { class: 'card' },
      element('header', {}, element('h2', {}, `Topic ${topic}`), note),
      newest.root,
    )
    const made = { root, note, newest, count: 0 }
    topics.set(topic, made)
    host.append(root)
    return made
  }

  return {
    reset() {
      for (const { root } of topics.values()) root.remove()
      topics.clear()
    },
    take(output) {
      const topic = shown(output.topic)
      topic.count++
      topic.newest.add(output)
    },
    draw() {
      nothing.hidden = topics.size > 0
      for (const { note, newest, count } of topics.values()) {
        note.textContent = `${count.toLocaleString('en')} ${count === 1 ? 'record' : 'records'}`
        newest.draw()
      }
    },
  }
}

function item({ timestamp, key, value }: Output): HTMLElement {
  const text = value === null ? 'deleted' : JSON.stringify(value)
  return element(
    'li',
    {},
    element('time', {}, moment(timestamp)),
    element('code', {}, text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}…` : text),
    element('span', { class: 'aside' }, key),
  )
}
