import clickstreamRecording from 'virtual:recording/clickstream'
import fraudRecording from 'virtual:recording/fraud'
import ordersRecording from 'virtual:recording/orders'

export interface Example {
  readonly title: string
  readonly recording: keyof typeof recordings
  /** Loaded when somebody wants to see it. */
  code(): Promise<string>
  /** Of the marbles, at first. */
  readonly span: '1h' | '3h' | '36h'
  readonly speed: number
}

export const recordings = {
  fraud: { url: fraudRecording, title: 'payments' },
  clickstream: { url: clickstreamRecording, title: 'page views' },
  orders: { url: ordersRecording, title: 'orders and shipments' },
}

type Text = Promise<{ readonly default: string }>

const plain = (text: () => Text) => async () => (await text()).default

/** A demo's pipeline, without the idle time-outs of a live topic. */
const demo = (text: () => Text, name: string) => async () =>
  `${(await text()).default}\nexport default (app: App) => ${name}(app, { watermark: WATERMARK })\n`

const payments = { recording: 'fraud', span: '1h', speed: 300 } as const
const views = { recording: 'clickstream', span: '3h', speed: 300 } as const
const shipping = { recording: 'orders', span: '36h', speed: 1_000 } as const

export const examples: { readonly [name: string]: Example } = {
  tumbling: {
    title: 'Tumbling windows: payments per country and hour',
    code: plain(() => import('./examples/tumbling.ts?raw')),
    ...payments,
  },
  hopping: {
    title: 'Hopping windows: readers of each page',
    code: plain(() => import('./examples/hopping.ts?raw')),
    ...views,
  },
  session: {
    title: 'Sessions: the path of each visit',
    code: plain(() => import('./examples/session.ts?raw')),
    ...views,
  },
  join: {
    title: 'A join: orders with their shipments',
    code: plain(() => import('./examples/join.ts?raw')),
    ...shipping,
  },
  pattern: {
    title: 'A pattern: first prices, then the account',
    code: plain(() => import('./examples/pattern.ts?raw')),
    ...views,
  },
  fraud: {
    title: 'The fraud demo',
    code: demo(() => import('../fraud/pipeline.ts?raw'), 'fraud'),
    ...payments,
  },
  clickstream: {
    title: 'The clickstream demo',
    code: demo(() => import('../clickstream/pipeline.ts?raw'), 'clickstream'),
    ...views,
  },
  orders: {
    title: 'The orders demo',
    code: demo(() => import('../orders/pipeline.ts?raw'), 'orders'),
    ...shipping,
  },
}
