import { stage } from '../site/stage.js'
import { orders } from './pipeline.js'

// Without an idle time-out: what comes out depends on the recording alone.
stage((app) => orders(app, { watermark: { maxOutOfOrderness: '10m' } }))
