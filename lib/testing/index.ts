export type { StateEntry } from '../app/stateEntry.js'
export * from './brokerConformance.js'
export { type Diagram, type Mark, parseDiagram } from './diagram.js'
export {
  expectSameUnderFaults,
  type FaultOptions,
  type FaultReport,
  type InputRecord,
} from './expectSameUnderFaults.js'
export { matchers, type RecordMatchers } from './matchers.js'
export { type OperatorLaw, type OperatorLawOptions, operatorLaws } from './operatorLaws.js'
export type { ExpectedRecord } from './recordText.js'
export {
  type Emission,
  type MarbleOptions,
  type MarbleRun,
  type MarbleSources,
  type MarbleTools,
  type MarbleValue,
  runMarbles,
} from './runMarbles.js'
export * from './storeConformance.js'
export { type TestApp, type TestAppOptions, testApp } from './testApp.js'
export { type TestClock, testClock } from './testClock.js'
export type { ReadRecord, SentRecord, TestTopic } from './testTopics.js'
