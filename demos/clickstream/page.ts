import recording from 'virtual:recording/clickstream'
import { byId } from '../site/element.js'
import { showSource } from '../site/showSource.js'
import { spanOf } from '../site/spanOf.js'
import { Theater } from '../site/theater.js'
import { panel } from './panel.js'
import type { View } from './pipeline.js'
import PipelineWorker from './worker.ts?worker'

const theater = new Theater({
  panel: panel(byId('panel')),
  marbles: () => ({
    span: spanOf('3h', '75m'),
    lanes: ['page-views', 'sessions', 'engagement'],
    titles: { 'page-views': 'Page views', sessions: 'Sessions', engagement: 'Engagement' },
    rows: 5,
    format: (value: any) => value?.page ?? JSON.stringify(value),
  }),
  states: [
    {
      state: 'sessions',
      title: 'State: open sessions',
      columns: ([views, pages, first]: [number, { size: number }, View]) => ({
        views,
        pages: pages.size,
        from: first.page,
      }),
    },
    {
      state: 'engagement',
      title: 'State: engagement',
      columns: ([sessions, bounces]: [number, number]) => ({ sessions, bounces }),
    },
  ],
  speed: 300,
  start: 300,
})
theater.use(new PipelineWorker())
theater.fetch(recording, 'a recorded half day').catch((error) => theater.fail(error))
showSource()
