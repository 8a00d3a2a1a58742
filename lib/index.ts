export type * from './ports/broker.js'
export type { Clock } from './ports/clock.js'
export type * from './ports/store.js'
export { type Duration, durationMs } from './record/duration.js'
export { type ErrorCode, type ErrorPlace, TidemarkError } from './record/errors.js'
export { compareKeys, type Key } from './record/key.js'
export {
  type Header,
  type Headers,
  NO_HEADERS,
  record,
  type StreamRecord,
  type Window,
  type WindowedRecord,
} from './record/record.js'
export { bytes, json, type Serde, string } from './record/serde.js'
