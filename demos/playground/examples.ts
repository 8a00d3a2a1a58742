import clickstreamRecording from 'virtual:recording/clickstream'
import fraudRecording from 'virtual:recording/fraud'
import ordersRecording from 'virtual:recording/orders'
import clickstream from '../clickstream/pipeline.ts?raw'
import fraud from '../fraud/pipeline.ts?raw'
import orders from '../orders/pipeline.ts?raw'
import hopping from './examples/hopping.ts?raw'
import join from './examples/join.ts?raw'
import pattern from './examples/pattern.ts?raw'
import session from './examples/session.ts?raw'
import tumbling from './examples/tumbling.ts?raw'

export interface Example {
  readonly title: string
  readonly recording: keyof typeof recordings
  readonly code: string
  /** Of the marbles, at first. */
  readonly span: '1h' | '3h' | '36h'
  readonly speed: number
}

export const recordings = {
  fraud: { url: fraudRecording, title: 'payments' },
  clickstream: { url: clickstreamRecording, title: 'page views' },
  orders: { url: ordersRecording, title: 'orders and shipments' },
}

/** A demo's pipeline, without the idle time-outs of a live topic. */
const demo = (code: string, name: string, maxOutOfOrderness: string) =>
  `${code}\nexport default (app: App) => ${name}(app, { watermark: { maxOutOfOrderness: '${maxOutOfOrderness}' } })\n`

const payments = { recording: 'fraud', span: '1h', speed: 300 } as const
const views = { recording: 'clickstream', span: '3h', speed: 300 } as const
const shipping = { recording: 'orders', span: '36h', speed: 1_000 } as const

export const examples: { readonly [name: string]: Example } = {
  tumbling: { title: 'Tumbling windows: payments per country and hour', code: tumbling, ...payments },
  hopping: { title: 'Hopping windows: readers of each page', code: hopping, ...views },
  session: { title: 'Sessions: the path of each visit', code: session, ...views },
  join: { title: 'A join: orders with their shipments', code: join, ...shipping },
  pattern: { title: 'A pattern: first prices, then the account', code: pattern, ...views },
  fraud: { title: 'The fraud demo', code: demo(fraud, 'fraud', '1m'), ...payments },
  clickstream: { title: 'The clickstream demo', code: demo(clickstream, 'clickstream', '2m'), ...views },
  orders: { title: 'The orders demo', code: demo(orders, 'orders', '10m'), ...shipping },
}
