import recording from 'virtual:recording/orders'
import { byId } from '../site/element.js'
import { moment } from '../site/moment.js'
import { showSource } from '../site/showSource.js'
import { spanOf } from '../site/spanOf.js'
import { Theater } from '../site/theater.js'
import { panel } from './panel.js'
import type { Order } from './pipeline.js'
import PipelineWorker from './worker.ts?worker'

const columns = ({ warehouse, amount, time }: Order) => ({ warehouse, amount: amount / 100, ordered: moment(time) })
const theater = new Theater({
  panel: panel(byId('panel')),
  marbles: () => ({
    span: spanOf('48h', '36h'),
    lanes: ['orders', 'shipments', 'to shipped-orders', 'to overdue-orders', 'to late-shipments'],
    titles: {
      orders: 'Orders',
      shipments: 'Shipments',
      'to shipped-orders': 'Within 24 h',
      'to overdue-orders': 'Overdue',
      'to late-shipments': 'Too late',
    },
    format: (value: any) => [value?.warehouse, value?.carrier].filter(Boolean).join(', by '),
  }),
  states: [
    { state: 'within-24h.left', title: 'State: orders that can be matched', columns },
    { state: 'overdue', title: 'State: overdue orders', columns },
  ],
  speed: 1_000,
  start: 500,
})
theater.use(new PipelineWorker())
theater.fetch(recording, 'three recorded days').catch((error) => theater.fail(error))
showSource()
