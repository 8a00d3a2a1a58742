import type { App, Broker } from 'tidemark'
import type { Demo } from './demo.js'
import { sizes, type TailRecord, tail } from './tail.js'

/** What one sees of the app from outside: its topics, its offsets, its time. */
export interface Sight {
  /** Records of the inputs. */
  readonly written: number
  /** Of them, those behind the app's last checkpoint. */
  readonly handled: number
  readonly perSecond: number
  /** ms since the epoch; undefined until each partition has had a record. */
  readonly watermark: number | undefined
  /** What has come out since the last look, by topic. */
  readonly news: ReadonlyMap<string, readonly TailRecord<unknown>[]>
}

/** Looks at a running app, again with each call. All counts are from the topics, so they go on after a restart. */
export function onlooker(app: App, broker: Broker, demo: Demo): () => Promise<Sight> {
  const tails = demo.outputs.map((topic) => ({ topic, next: tail<unknown>(broker, topic) }))
  let perSecond = 0
  let watermark: number | undefined
  let last: { handled: number; at: number } | undefined

  return async () => {
    const news = new Map<string, TailRecord<unknown>[]>()
    for (const { topic, next } of tails) news.set(topic, await next())
    let written = 0
    for (const topic of demo.inputs) written += total(await sizes(broker, topic))
    const handled = total((await broker.committed(app.id, demo.inputs)).map(({ offset }) => offset))
    const at = Date.now()
    if (last === undefined || at - last.at >= 1_000) {
      if (last !== undefined) perSecond = Math.round(((handled - last.handled) * 1_000) / (at - last.at))
      last = { handled, at }
    }
    const time = Math.min(...app.stats().tasks.map((task) => task.time))
    if (Number.isFinite(time)) watermark = time
    return { written, handled, perSecond, watermark, news }
  }
}

const total = (numbers: readonly number[]) => numbers.reduce((sum, n) => sum + n, 0)
