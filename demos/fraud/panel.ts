import { bar } from '../site/bar.js'
import { element } from '../site/element.js'
import type { Output } from '../site/messages.js'
import { moment } from '../site/moment.js'
import { Newest } from '../site/newest.js'
import { Numbers } from '../site/numbers.js'
import type { Panel } from '../site/player.js'
import { Table } from '../site/table.js'
import { type Alert, type Rule, topics } from './pipeline.js'

const RULES: { readonly [rule in Rule]: string } = {
  'large-amount': 'Large amount',
  'many-transactions': 'Many at once',
  'new-country': 'New country',
  'daily-spend': 'Daily spend',
}
const MAX_SPENDERS = 6

/** Alerts by rule, the newest of them, and who spends most. */
export function panel(host: HTMLElement): Panel {
  const names = Object.fromEntries(Object.values(RULES).map((name) => [name, 'bad' as const]))
  const numbers = new Numbers({ ...names, Late: 'warn' })
  const newest = new Newest(item, 'No alert yet.')
  const table = new Table(['User', 'Spent'], 'unseen')
  host.append(
    element('section', { class: 'card' }, numbers.root),
    element('section', { class: 'card', id: 'alerts' }, element('h2', {}, 'Alerts'), newest.root),
    element(
      'section',
      { class: 'card' },
      element('header', {}, element('h2', {}, 'Spent most'), element('span', { class: 'note' }, 'in 24 hours')),
      table.root,
    ),
  )

  let counts: Record<string, number> = {}
  let spend = new Map<string, number>()
  return {
    reset() {
      counts = {}
      spend = new Map()
      newest.reset()
    },
    take({ topic, key, value }: Output) {
      if (topic === topics.late) counts.Late = (counts.Late ?? 0) + 1
      else if (topic === topics.spend) {
        if (value === null) spend.delete(key)
        else spend.set(key, value)
      } else if (topic === topics.alerts) {
        const name = RULES[(value as Alert).rule]
        counts[name] = (counts[name] ?? 0) + 1
        newest.add(value)
      }
    },
    draw() {
      for (const name of [...Object.values(RULES), 'Late']) numbers.set(name, counts[name] ?? 0)
      newest.draw()
      const most = [...spend].sort(([, a], [, b]) => b - a).slice(0, MAX_SPENDERS)
      const [, top = 1] = most[0] ?? []
      table.draw(most.map(([user, cents]) => [user, [Math.round(cents / 100).toLocaleString('en'), bar(cents / top)]]))
    },
  }
}

export function item({ at, rule, user, reason, confidence }: Alert): HTMLElement {
  return element(
    'li',
    {},
    element('time', {}, moment(at)),
    element('span', {}, element('strong', {}, user), ` ${reason}`),
    element(
      'span',
      { class: 'aside' },
      element('span', { class: 'tag bad' }, RULES[rule]),
      ` ${Math.round(confidence * 100)} %`,
    ),
  )
}
