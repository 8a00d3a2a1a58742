import recording from 'virtual:recording/fraud'
import { byId } from '../site/element.js'
import { showSource } from '../site/showSource.js'
import { Theater } from '../site/theater.js'
import { marbles } from './marbles.js'
import { panel } from './panel.js'
import type { Places } from './pipeline.js'
import PipelineWorker from './worker.ts?worker'

const theater = new Theater({
  panel: panel(byId('panel')),
  marbles,
  states: [
    {
      state: 'places',
      title: 'State: countries so far',
      columns: (places: Places) => ({ countries: Object.keys(places).join(', ') }),
    },
    {
      state: 'volume',
      title: 'State: volume per country and hour',
      columns: ([payments, cents]: [number, number]) => ({ payments, amount: cents / 100 }),
    },
  ],
  speed: 300,
  start: 500,
})
theater.use(new PipelineWorker())
theater.fetch(recording, 'eight recorded hours').catch((error) => theater.fail(error))
showSource()
