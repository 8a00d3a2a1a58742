import { span } from '../shared/span.js'
import { bar } from '../site/bar.js'
import { element } from '../site/element.js'
import type { Output } from '../site/messages.js'
import { moment } from '../site/moment.js'
import { Newest } from '../site/newest.js'
import { Numbers } from '../site/numbers.js'
import type { Panel } from '../site/player.js'
import { Table } from '../site/table.js'
import { type LateShipment, type Order, type Performance, topics } from './pipeline.js'

type News = { readonly overdue: Order } | { readonly late: LateShipment }

/** How many orders were shipped in time, by warehouse, and which weren't. */
export function panel(host: HTMLElement): Panel {
  const numbers = new Numbers({
    'Within 24 hours': 'good',
    Overdue: 'bad',
    'Shipped too late': 'warn',
    'Reported too late': '',
  })
  const table = new Table(['Warehouse', 'Orders', 'Within 24 h', 'Mean wait'])
  const newest = new Newest(
    item,
    'Nothing yet: an order is overdue when 24 hours of event time have passed without a shipment.',
  )
  host.append(
    element('section', { class: 'card' }, numbers.root),
    element('section', { class: 'card' }, element('h2', {}, 'Warehouses'), table.root),
    element('section', { class: 'card' }, element('h2', {}, 'Overdue, and shipped too late'), newest.root),
  )

  let counts: Record<string, number> = {}
  let warehouses = new Map<string, Performance>()
  return {
    reset() {
      counts = {}
      warehouses = new Map()
      newest.reset()
    },
    take({ topic, key, value }: Output) {
      counts[topic] = (counts[topic] ?? 0) + 1
      if (topic === topics.warehouses) warehouses.set(key, value)
      else if (topic === topics.overdue) newest.add({ overdue: value } satisfies News)
      else if (topic === topics.tooLate) newest.add({ late: value } satisfies News)
    },
    draw() {
      numbers.set('Within 24 hours', counts[topics.shipped] ?? 0)
      numbers.set('Overdue', counts[topics.overdue] ?? 0)
      numbers.set('Shipped too late', counts[topics.tooLate] ?? 0)
      numbers.set('Reported too late', counts[topics.late] ?? 0)
      newest.draw()
      table.draw(
        [...warehouses]
          .sort(([a], [b]) => (a < b ? -1 : 1))
          .map(([name, { orders, onTime, meanMs }]) => [
            name,
            [orders],
            [`${Math.round((onTime / orders) * 100)} %`, bar(onTime / orders, 'var(--green)')],
            [meanMs === null ? '–' : span(meanMs)],
          ]),
      )
    },
  }
}

function item(news: News): HTMLElement {
  if ('overdue' in news) {
    const { time, id, warehouse } = news.overdue
    return element(
      'li',
      {},
      element('time', {}, moment(time)),
      element('span', {}, element('strong', {}, id), ` ${warehouse}`),
      element('span', { class: 'tag bad' }, 'not shipped in 24 h'),
    )
  }
  const { time, order, warehouse, carrier, tookMs } = news.late
  return element(
    'li',
    {},
    element('time', {}, moment(time)),
    element('span', {}, element('strong', {}, order), ` ${warehouse ?? 'nobody knows the order'}, by ${carrier}`),
    element('span', { class: 'tag warn' }, tookMs === null ? 'order unknown' : `after ${span(tookMs)}`),
  )
}
