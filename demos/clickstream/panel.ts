import { span } from '../shared/span.js'
import { bar } from '../site/bar.js'
import { element } from '../site/element.js'
import type { Output } from '../site/messages.js'
import { moment } from '../site/moment.js'
import { Newest } from '../site/newest.js'
import { Numbers } from '../site/numbers.js'
import type { Panel } from '../site/player.js'
import { Table } from '../site/table.js'
import { type Engagement, type Session, topics } from './pipeline.js'

/** Engagement by channel, and the sessions that were completed last. */
export function panel(host: HTMLElement): Panel {
  const numbers = new Numbers({ 'Completed sessions': '', Bounces: '', 'Late views': 'warn' })
  const table = new Table(['Channel', 'Sessions', 'Mean duration', 'Pages', 'Bounce rate'])
  const newest = new Newest(
    item,
    'None is over yet: a session completes when 30 minutes of event time have passed since its last view.',
  )
  host.append(
    element('section', { class: 'card' }, numbers.root),
    element(
      'section',
      { class: 'card', id: 'engagement' },
      element(
        'header',
        {},
        element('h2', {}, 'Engagement by channel'),
        element('span', { class: 'note' }, 'over all completed sessions'),
      ),
      table.root,
    ),
    element('section', { class: 'card' }, element('h2', {}, 'Completed sessions'), newest.root),
  )

  let counts = { sessions: 0, bounces: 0, late: 0 }
  let engagement = new Map<string, Engagement>()
  return {
    reset() {
      counts = { sessions: 0, bounces: 0, late: 0 }
      engagement = new Map()
      newest.reset()
    },
    take({ topic, key, value }: Output) {
      if (topic === topics.engagement) engagement.set(key, value)
      else if (topic === topics.late) counts.late++
      else {
        counts.sessions++
        if (value.isBounce) counts.bounces++
        newest.add(value)
      }
    },
    draw() {
      numbers.set('Completed sessions', counts.sessions)
      numbers.set('Bounces', counts.bounces)
      numbers.set('Late views', counts.late)
      newest.draw()
      const longest = Math.max(1, ...[...engagement.values()].map(({ meanDurationMs }) => meanDurationMs))
      table.draw(
        [...engagement]
          .sort(([, a], [, b]) => b.sessions - a.sessions)
          .map(([channel, { sessions, meanDurationMs, meanPages, bounceRate }]) => [
            channel,
            [sessions],
            [span(meanDurationMs), bar(meanDurationMs / longest)],
            [meanPages.toFixed(1)],
            [`${Math.round(bounceRate * 100)} %`, bar(bounceRate, 'var(--sun)')],
          ]),
      )
    },
  }
}

function item({ start, visitor, channel, durationMs, views, pages, landing, isBounce }: Session): HTMLElement {
  const told = isBounce
    ? `${landing}, and gone`
    : `${views} views of ${pages} ${pages === 1 ? 'page' : 'pages'}, from ${landing}`
  return element(
    'li',
    {},
    element('time', {}, moment(start)),
    element('span', {}, element('strong', {}, visitor), ` ${told}`),
    element(
      'span',
      { class: 'aside' },
      isBounce ? element('span', { class: 'tag warn' }, 'bounce') : span(durationMs),
      ` ${channel}`,
    ),
  )
}
