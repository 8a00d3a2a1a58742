import { marbleView } from 'tidemark/marbles'
import { marbles } from '../fraud/marbles.js'
import { panel } from '../fraud/panel.js'
import { instant } from '../shared/instant.js'
import type { Sight } from '../shared/onlooker.js'
import { byId } from '../site/element.js'
import { Numbers } from '../site/numbers.js'
import type { LiveCommand, LiveMessage } from './messages.js'
import PipelineWorker from './worker.ts?worker'

const figures = new Numbers({ Transactions: '', Handled: '', 'Per second': '', 'Event time': '' })
byId('figures').append(figures.root)
const results = panel(byId('panel'))
const view = marbleView(byId('marbles'), marbles())
const worker = new PipelineWorker()
const send = (command: LiveCommand) => worker.postMessage(command)

worker.onmessage = ({ data }: MessageEvent<LiveMessage>) => {
  if (data.type === 'sight') {
    byId('locked').hidden = true
    for (const event of data.told) view.add(event)
    draw(data.sight)
  } else if (data.type === 'locked') byId('locked').hidden = false
  else if (data.type === 'gone') location.reload()
  else {
    byId('error').textContent = data.message
    byId('error').hidden = false
  }
}

let isPaused = false
const toggle = byId('pause')
toggle.onclick = () => {
  isPaused = !isPaused
  send(isPaused ? 'pause' : 'go')
  toggle.textContent = isPaused ? 'Go on' : 'Pause'
}
byId('reload').onclick = () => location.reload()
byId('reset').onclick = () => send('reset')

function draw({ written, handled, perSecond, watermark, news }: Sight): void {
  figures.set('Transactions', written)
  figures.set('Handled', handled)
  figures.set('Per second', perSecond)
  figures.set('Event time', watermark === undefined ? '–' : instant(watermark))
  for (const [topic, records] of news)
    for (const { key, value, timestamp } of records) results.take({ topic, key, value, timestamp, index: 0 })
  results.draw()
}
