// The fraud detector in a browser tab: broker, pipeline, state and onlooker, all here.
import { createApp, embedded } from 'tidemark'
import { idb } from 'tidemark/idb'
import { feed, prepare } from './feed.js'
import { instant, onlooker, type Sight } from './onlooker.js'
import { type Alert, fraud } from './pipeline.js'

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
  await prepare(broker, SEED)
  const app = createApp({ id: 'fraud', broker, store })
  fraud(app)
  app.errors$.subscribe(show)
  await app.start()

  let stopping = new AbortController()
  let feeding = Promise.resolve()
  const go = () => {
    stopping = new AbortController()
    feeding = feed(broker, { seed: SEED, rate: RATE, signal: stopping.signal }).catch(show)
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

  const look = onlooker(app, broker)
  while (!['stopped', 'failed'].includes(app.stats().state)) {
    draw(await look())
    await pause(LOOK_MS)
  }
}

function draw({ transactions, handled, perSecond, late, watermark, alerts, newAlerts }: Sight): void {
  const figures: [name: string, value: string | number][] = [
    ['transactions', transactions],
    ['handled', handled],
    ['per second', perSecond],
    ['late', late],
    ['watermark', watermark === undefined ? '–' : instant(watermark)],
    ...Object.entries(alerts).map(([rule, n]): [string, number] => [rule.replace('-', ' '), n]),
  ]
  element('figures').replaceChildren(
    ...figures.map(([name, value]) => wrap('div', wrap('dt', name), wrap('dd', String(value)))),
  )
  const list = element('alerts')
  list.prepend(...newAlerts.slice(-MAX_SHOWN).reverse().map(item))
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
