import { marbles } from '../fraud/marbles.js'
import { panel } from '../fraud/panel.js'
import type { Sight } from '../shared/onlooker.js'
import { byId, element } from '../site/element.js'
import { markedView } from '../site/markedView.js'
import { moment } from '../site/moment.js'
import { Numbers } from '../site/numbers.js'
import { showSource } from '../site/showSource.js'
import type { LiveCommand, LiveMessage } from './messages.js'
import PipelineWorker from './worker.ts?worker'

const figures = new Numbers({ Transactions: '', Handled: '', 'Per second': '', 'Event time': '' })
byId('figures').append(figures.root)
const results = panel(byId('panel'))
const stage = element('div')
byId('marbles').append(stage)
const view = markedView(stage, marbles())
const worker = new PipelineWorker()
const send = (command: LiveCommand) => worker.postMessage(command)

worker.onmessage = ({ data }: MessageEvent<LiveMessage>) => {
  if (data.type === 'sight') {
    turn(data.isStandingBy)
    for (const event of data.told) view.add(event)
    draw(data.sight)
  } else if (data.type === 'gone') location.reload()
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

/** Whose turn it is: what another tab runs can't be paused here. */
function turn(isStandingBy: boolean): void {
  byId('standby').hidden = !isStandingBy
  for (const id of ['pause', 'reset']) byId<HTMLButtonElement>(id).disabled = isStandingBy
}

function draw({ written, handled, perSecond, watermark, news }: Sight): void {
  figures.set('Transactions', written)
  figures.set('Handled', handled)
  figures.set('Per second', perSecond)
  figures.set('Event time', watermark === undefined ? '–' : moment(watermark))
  for (const [topic, records] of news)
    for (const { key, value, timestamp } of records) results.take({ topic, key, value, timestamp, index: 0 })
  results.draw()
}

showSource()
