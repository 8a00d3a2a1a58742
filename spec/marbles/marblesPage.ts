import axe from 'axe-core'
import { filter, merge, of, Subject } from 'rxjs'
import {
  aggregate,
  count,
  keyBy,
  local,
  mapValues,
  record,
  type StreamRecord,
  sessionWindow,
  type Tracer,
  tracer,
  tumblingWindow,
  withWatermark,
} from '../../lib/index.js'
import {
  type MarbleView,
  type MarbleViewOptions,
  marbleView,
  type StateTable,
  stateTable,
} from '../../lib/marbles/index.js'

/* The page of the marbles' specs: two windows over one source, with time in seconds. */
let view: MarbleView
let table: StateTable
let orders: Subject<StreamRecord<string, number>>

const seconds = (n: number) => Math.round(n * 1_000)

function run(trace: Tracer): void {
  orders = new Subject()
  const paid = orders.pipe(
    withWatermark({ maxOutOfOrderness: '2s' }),
    mapValues((n) => n),
    filter(({ value }) => value > 0),
    keyBy(({ key }) => key),
  )
  const perMinute = paid.pipe(tumblingWindow('20s'), aggregate(count(), { name: 'counts', emit: 'close' }))
  const visits = paid.pipe(sessionWindow('6s', { grace: '20s' }), aggregate(count(), { name: 'visits', emit: 'close' }))
  local(merge(perMinute, visits), { trace }).subscribe()
}

const page = {
  start(options: MarbleViewOptions = {}): void {
    document.body.innerHTML = '<main><h1>Orders</h1><div id="view"></div><div id="table"></div></main>'
    document.documentElement.lang = 'en'
    document.documentElement.style.colorScheme = 'light dark'
    view = marbleView(document.querySelector('#view') as HTMLElement, { span: '60s', ...options })
    table = stateTable(document.querySelector('#table') as HTMLElement, { state: 'visits', rows: 3, label: 'Visits' })
    run(
      tracer((event) => {
        view.add(event)
        table.add(event)
      }),
    )
  },
  /** Key, value and time in seconds. */
  send(records: readonly (readonly [key: string, value: number, at: number])[]): void {
    for (const [key, value, at] of records) orders.next(record(key, value, seconds(at)))
  },
  show: (from: number, to: number) => view.show(seconds(from), seconds(to)),
  follow(follows: boolean): void {
    view.follow = follows
  },
  last: () => view.last,
  truncate(id: number): void {
    view.truncate(id)
    table.truncate(id)
  },
  destroy(): void {
    view.destroy()
    table.destroy()
  },
  /** Red, green and blue on the canvas, at CSS pixels. */
  pixel(x: number, y: number): readonly number[] {
    const canvas = document.querySelector('#view')?.shadowRoot?.querySelector('canvas') as HTMLCanvasElement
    const ratio = canvas.width / canvas.clientWidth
    const { data } = (canvas.getContext('2d') as CanvasRenderingContext2D).getImageData(x * ratio, y * ratio, 1, 1)
    return [...data.slice(0, 3)]
  },
  /** Resolves once all that has been asked for is drawn, animations included. */
  async drawn(): Promise<void> {
    const until = performance.now() + 400
    do await new Promise((resolve) => requestAnimationFrame(resolve))
    while (performance.now() < until)
  },
  /** What a pipeline emits whose trace is listened to by something broken. */
  broken(): unknown[] {
    const found: unknown[] = []
    const trace = tracer(() => {
      throw new Error('broken listener')
    })
    local(of(record('a', 1, 1)).pipe(mapValues((n) => n + 1)), { trace }).subscribe(({ value }) => found.push(value))
    return found
  },
  async violations(): Promise<string[]> {
    const { violations } = await axe.run(document)
    return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`)
  },
}

export type MarblesPage = typeof page
Object.assign(globalThis, { marbles: page })
