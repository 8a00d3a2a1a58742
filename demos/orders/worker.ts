import { stage } from '../site/stage.js'
import { orders, WATERMARK } from './pipeline.js'

// Without an idle time-out: what comes out depends on the recording alone.
stage((app) => orders(app, { watermark: WATERMARK }))
