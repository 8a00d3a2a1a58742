import { stage } from '../site/stage.js'
import { clickstream, WATERMARK } from './pipeline.js'

// Without an idle time-out: what comes out depends on the recording alone.
stage((app) => clickstream(app, { watermark: WATERMARK }))
