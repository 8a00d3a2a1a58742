export type { Aggregator, Aggregators, ResultOf } from './aggregates/aggregator.js'
export { avg } from './aggregates/avg.js'
export { collect } from './aggregates/collect.js'
export { count } from './aggregates/count.js'
export { countDistinct } from './aggregates/countDistinct.js'
export { first } from './aggregates/first.js'
export { last } from './aggregates/last.js'
export { max } from './aggregates/max.js'
export { min } from './aggregates/min.js'
export { reduce } from './aggregates/reduce.js'
export { sum } from './aggregates/sum.js'
export { type App, type AppOptions, createApp, type StreamOptions, type TableOptions } from './app/app.js'
export type {
  ExplainRequest,
  Explanation,
  Hold,
  HoldRule,
  PartitionState,
  SourceState,
  TaskExplanation,
  WriterState,
} from './app/explanation.js'
export type { AppState, AppStats, TaskStats } from './app/runtime.js'
export { type EmbeddedOptions, embedded } from './brokers/embedded.js'
export { type StreamTableJoinOptions, streamTableJoin } from './joins/streamTableJoin.js'
export { type Aggregated, type AggregateOptions, aggregate } from './operators/aggregate.js'
export { type KeyByOptions, keyBy } from './operators/keyBy.js'
export { type MapAsyncOptions, mapAsync } from './operators/mapAsync.js'
export { mapValues } from './operators/mapValues.js'
export { type ProcessContext, type ProcessOptions, type Processor, process } from './operators/process.js'
export { shared } from './operators/shared.js'
export { sideOutput } from './operators/sideOutput.js'
export { type ToTopicOptions, toTopic } from './operators/toTopic.js'
export { withWatermark } from './operators/withWatermark.js'
export type * from './ports/broker.js'
export type { Clock } from './ports/clock.js'
export type * from './ports/store.js'
export { type Duration, durationMs } from './record/duration.js'
export { type ErrorCode, type ErrorPlace, TidemarkError } from './record/errors.js'
export { compareKeys, type Key } from './record/key.js'
export { partitionOf } from './record/partitionOf.js'
export {
  type Header,
  type Headers,
  NO_HEADERS,
  record,
  type StreamRecord,
  type Window,
  type WindowedRecord,
  type WithValue,
} from './record/record.js'
export { bytes, json, type Serde, string } from './record/serde.js'
export { memory } from './stores/memory.js'
export type { Change } from './tables/change.js'
export type { Table } from './tables/table.js'
export { toTable } from './tables/toTable.js'
export type { DropReason, Waiting } from './task/definition.js'
export { local } from './task/local.js'
export type { AlignmentOptions, WatermarkOptions } from './task/watermark.js'
export type { InWindow } from './windows/inWindow.js'
export { type RollingOptions, rollingAggregate } from './windows/rollingAggregate.js'
export { tumblingWindow, type WindowOptions } from './windows/tumblingWindow.js'
