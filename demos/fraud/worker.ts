import { stage } from '../site/stage.js'
import { fraud, WATERMARK } from './pipeline.js'

// Without an idle time-out: what comes out depends on the recording alone.
stage((app) => fraud(app, { watermark: WATERMARK }))
