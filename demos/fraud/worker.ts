import { stage } from '../site/stage.js'
import { fraud } from './pipeline.js'

// Without an idle time-out: what comes out depends on the recording alone.
stage((app) => fraud(app, { watermark: { maxOutOfOrderness: '1m' } }))
