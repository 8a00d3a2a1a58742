import { Subject } from 'rxjs'
import {
  aggregate,
  count,
  local,
  record,
  type StreamRecord,
  tracer,
  tumblingWindow,
  withWatermark,
} from '../lib/index.js'
import { marbleView } from '../lib/marbles/index.js'

/* The page of marbles.ts: a live pipeline of which so many records are in view, on the move all the time. */
const SPAN_MS = 60_000
const USERS = ['ann', 'bob', 'cy', 'dee', 'eve', 'flo', 'gus', 'hal']

export interface Frames {
  readonly marbles: number
  /** Between frames, ms. */
  readonly gaps: readonly number[]
  /** Script per frame, ms. */
  readonly scripts: readonly number[]
}

async function run(inView: number, frames: number): Promise<Frames> {
  const element = document.createElement('div')
  document.body.append(element)
  const gaps: number[] = []
  const scripts: number[] = []
  const request = globalThis.requestAnimationFrame.bind(globalThis)
  let spent = 0
  globalThis.requestAnimationFrame = (run) =>
    request((at) => {
      const before = performance.now()
      run(at)
      spent += performance.now() - before
    })
  const view = marbleView(element, { span: SPAN_MS, keep: inView * 2 })
  const orders = new Subject<StreamRecord<string, number>>()
  const shared = orders.pipe(withWatermark({ maxOutOfOrderness: '2s' }))
  const trace = tracer(view.add)
  local(shared.pipe(tumblingWindow('10s'), aggregate(count())), { trace }).subscribe()
  // Each record is a marble as it comes and one as it is counted.
  const stepMs = (SPAN_MS * 0.88 * 2) / inView
  let time = Date.UTC(2026, 0, 1)
  let n = 0
  const emit = (until: number) => {
    for (; time < until; time += stepMs)
      orders.next(record(USERS[(n * 7) % USERS.length] as string, n++, Math.round(time)))
  }
  emit(time + SPAN_MS)
  let last = 0
  await new Promise<void>((resolve) => {
    const next = (at: number) => {
      if (last > 0) {
        gaps.push(at - last)
        scripts.push(spent)
      }
      spent = 0
      // As fast as it is drawn, time goes on: 1 s of events per second.
      const before = performance.now()
      emit(time + Math.min(100, last === 0 ? 16 : at - last))
      spent += performance.now() - before
      last = at
      if (gaps.length < frames) request(next)
      else resolve()
    }
    request(next)
  })
  const canvas = element.shadowRoot?.querySelector('canvas')
  const marbles = Number(canvas?.dataset.marbles)
  view.destroy()
  element.remove()
  globalThis.requestAnimationFrame = request
  return { marbles, gaps, scripts }
}

Object.assign(globalThis, { run })
