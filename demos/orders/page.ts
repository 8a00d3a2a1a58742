import recording from 'virtual:recording/orders'
import { byId } from '../site/element.js'
import { Theater } from '../site/theater.js'
import { panel } from './panel.js'
import source from './pipeline.ts?highlighted'
import PipelineWorker from './worker.ts?worker'

byId('source').innerHTML = source
const theater = new Theater({
  panel: panel(byId('panel')),
  marbles: () => ({ span: '36h' }),
  states: [
    { state: 'within-24h', title: 'State: waiting to be matched' },
    { state: 'overdue', title: 'State: overdue orders' },
  ],
  speed: 1_000,
  start: 500,
})
theater.use(new PipelineWorker())
theater.fetch(recording, 'three recorded days').catch((error) => theater.fail(error))
