import recording from 'virtual:recording/fraud'
import { byId } from '../site/element.js'
import { Theater } from '../site/theater.js'
import { panel } from './panel.js'
import source from './pipeline.ts?highlighted'
import PipelineWorker from './worker.ts?worker'

byId('source').innerHTML = source
const theater = new Theater({
  panel: panel(byId('panel')),
  marbles: () => ({ span: '30m' }),
  states: [
    { state: 'recent', title: 'State: payments of the last five minutes' },
    { state: 'places', title: 'State: countries so far' },
  ],
  speed: 300,
  start: 500,
})
theater.use(new PipelineWorker())
theater.fetch(recording, 'eight recorded hours').catch((error) => theater.fail(error))
