// The fraud detector in a browser tab: broker, pipeline, state and onlooker, all here.
import { createApp, embedded } from 'tidemark'
import { idb } from 'tidemark/idb'
import { feed, prepare } from '../shared/feed.js'
import { instant } from '../shared/instant.js'
import { onlooker, type Sight } from '../shared/onlooker.js'
import { demo } from './demo.js'
import { type Alert, fraud, topics } from './pipeline.js'

const SEED = 1
const RATE = 100
const LOOK_MS = 250
const MAX_SHOWN = 50
const DATABASE = 'fraud'

const element = (id: string) => document.getElementById(id) as HTMLElement
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

async function main(): Promise<void> {
  // One store for topics, offsets and state: each commit takes all three along.
  const store = idb(DATABASE)
  const broker = embedded({ store })
  await broker.connect()
  await prepare(broker, demo, SEED)
  const app = createApp({ id: 'fraud', broker, store })
  fraud(app)
  app.errors$.subscribe(show)
  await app.start()

  let stopping = new AbortController()
  let feeding = Promise.resolve()
  const go = () => {
    stopping = new AbortController()
    feeding = feed(broker, demo, { seed: SEED, rate: RATE, signal: stopping.signal }).catch(show)
  }
  const toggle = element('pause')
  toggle.onclick = () => {
    if (stopping.signal.aborted) go()
    else stopping.abort()
    toggle.textContent = stopping.signal.aborted ? 'Go on' : 'Pause'
  }
  element('reset').onclick = async () => {
    stopping.abort()
    await feeding
    await app.stop()
    await broker.close()
    for (const { name } of await indexedDB.databases())
      if (name?.startsWith(`${DATABASE}/`)) indexedDB.deleteDatabase(name)
    location.reload()
  }
  go()

  const look = onlooker(app, broker, demo)
  while (!['stopped', 'failed'].includes(app.stats().state)) {
    draw(await look())
    await pause(LOOK_MS)
  }
}

function draw({ written, handled, perSecond, watermark, news }: Sight): void {
  const figures: [name: string, value: string | number][] = [
    ['transactions', written],
    ['handled', handled],
    ['per second', perSecond],
    ['watermark', watermark === undefined ? '–' : instant(watermark)],
  ]
  element('figures').replaceChildren(
    ...figures.map(([name, value]) => wrap('div', wrap('dt', name), wrap('dd', String(value)))),
  )
  const list = element('alerts')
  const alerts = (news.get(topics.alerts) ?? []).map(({ value }) => value as Alert)
  list.prepend(...alerts.slice(-MAX_SHOWN).reverse().map(item))
  while (list.children.length > MAX_SHOWN) list.lastElementChild?.remove()
}

function item({ at, user, reason, confidence, transaction }: Alert): HTMLElement {
  const line = wrap(
    'li',
    wrap('time', instant(at)),
    wrap('span', user),
    wrap('span', reason),
    wrap('span', `${Math.round(confidence * 100)} % sure`),
  )
  line.title = transaction
  return line
}

function wrap(tag: string, ...children: (string | Node)[]): HTMLElement {
  const made = document.createElement(tag)
  made.append(...children)
  return made
}

function show(error: unknown): void {
  element('error').textContent = error instanceof Error ? error.message : String(error)
}

main().catch(show)
