import recording from 'virtual:recording/clickstream'
import { byId } from '../site/element.js'
import { Theater } from '../site/theater.js'
import { panel } from './panel.js'
import source from './pipeline.ts?highlighted'
import PipelineWorker from './worker.ts?worker'

byId('source').innerHTML = source
const theater = new Theater({
  panel: panel(byId('panel')),
  marbles: () => ({
    span: '3h',
    lanes: ['page-views', 'sessions', 'engagement'],
    titles: { 'page-views': 'Page views', sessions: 'Sessions', engagement: 'Engagement' },
  }),
  states: [
    { state: 'sessions', title: 'State: open sessions' },
    { state: 'engagement', title: 'State: engagement' },
  ],
  speed: 300,
  start: 200,
})
theater.use(new PipelineWorker())
theater.fetch(recording, 'a recorded half day').catch((error) => theater.fail(error))
