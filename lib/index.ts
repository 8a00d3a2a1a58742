export type { Aggregator, Aggregators, ResultOf } from './aggregates/aggregator.js'
export { type ApproxCountDistinctOptions, approxCountDistinct } from './aggregates/approxCountDistinct.js'
export { avg } from './aggregates/avg.js'
export { collect } from './aggregates/collect.js'
export { correlation } from './aggregates/correlation.js'
export { count } from './aggregates/count.js'
export { countDistinct } from './aggregates/countDistinct.js'
export type { ExtremeOptions } from './aggregates/extreme.js'
export { first } from './aggregates/first.js'
export { type Histogram, type HistogramOptions, histogram } from './aggregates/histogram.js'
export { last } from './aggregates/last.js'
export { max } from './aggregates/max.js'
export { median } from './aggregates/median.js'
export { min } from './aggregates/min.js'
export type { SpreadOptions } from './aggregates/moments.js'
export type { QuantileOptions } from './aggregates/quantileSketch.js'
export { quantiles } from './aggregates/quantiles.js'
export { reduce } from './aggregates/reduce.js'
export { stddev } from './aggregates/stddev.js'
export { sum } from './aggregates/sum.js'
export { type TopKOptions, topK } from './aggregates/topK.js'
export { variance } from './aggregates/variance.js'
export {
  type App,
  type AppOptions,
  createApp,
  type GlobalTableOptions,
  type StreamOptions,
  type TableOptions,
} from './app/app.js'
export type { AppState, AppStats, TaskStats } from './app/appStats.js'
export { type OpenCheckpointOptions, openCheckpoint } from './app/checkpointFile/openCheckpoint.js'
export { writeCheckpoint } from './app/checkpointFile/writeCheckpoint.js'
export type { Guarantee } from './app/committer.js'
export type { ShadowDifference, TopicOutputs } from './app/compareOutputs.js'
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
export type { GlobalTableStats } from './app/globalReader.js'
export type { PlanComparison, StateComparison, TopicComparison, UpgradeOptions } from './app/planComparison.js'
export type { RebalanceStats } from './app/rebalances.js'
export type { RestoreStats } from './app/restore.js'
export type { Savepoint } from './app/savepoints.js'
export { type ShadowOptions, type ShadowReport, shadow } from './app/shadow.js'
export type { StandbyStats } from './app/standbys.js'
export type { Health } from './app/watchdog.js'
export { type EmbeddedOptions, embedded } from './brokers/embedded.js'
export { broadcast, type Rules } from './joins/broadcast.js'
export { type ForeignKeyJoinOptions, foreignKeyJoin } from './joins/foreignKeyJoin.js'
export { type GlobalTableJoinOptions, globalTableJoin } from './joins/globalTableJoin.js'
export type { TableJoinKind } from './joins/joinedRows.js'
export { type StreamStreamJoinOptions, streamStreamJoin } from './joins/streamStreamJoin.js'
export { type StreamTableJoinOptions, streamTableJoin } from './joins/streamTableJoin.js'
export { type TableTableJoinOptions, tableTableJoin } from './joins/tableTableJoin.js'
export { type Aggregated, aggregate } from './operators/aggregate.js'
export type { AggregateOptions } from './operators/aggregation.js'
export { type BatchOptions, batch } from './operators/batch.js'
export type { CircuitOptions } from './operators/circuit.js'
export { type Cogrouped, type CogroupInput, cogroup } from './operators/cogroup.js'
export { type DedupOptions, dedup } from './operators/dedup.js'
export { flatMap } from './operators/flatMap.js'
export { type KeyByOptions, keyBy } from './operators/keyBy.js'
export { type LatestOptions, latest } from './operators/latest.js'
export { type MapAsyncOptions, mapAsync } from './operators/mapAsync.js'
export { mapValues } from './operators/mapValues.js'
export { type MatchPatternOptions, matchPattern } from './operators/matchPattern.js'
export { type AbsenceOptions, type Pattern, pattern, type StepOptions } from './operators/pattern.js'
export { peek } from './operators/peek.js'
export {
  type ProcessContext,
  type ProcessOptions,
  type Processor,
  process,
  type ValueState,
} from './operators/process.js'
export { type RateLimitOptions, rateLimit } from './operators/rateLimit.js'
export { type SelectKeyOptions, selectKey } from './operators/selectKey.js'
export { shared } from './operators/shared.js'
export { sideOutput } from './operators/sideOutput.js'
export { type Branches, type Split, split } from './operators/split.js'
export { toRows } from './operators/toRows.js'
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
  type WithKey,
  type WithValue,
} from './record/record.js'
export { bytes, json, type Serde, string } from './record/serde.js'
export { memory } from './stores/memory.js'
export type { Change } from './tables/change.js'
export type { DerivedOptions } from './tables/derivedTable.js'
export { type GlobalTable, globalTable } from './tables/globalTable.js'
export { type SuppressOptions, suppress } from './tables/suppress.js'
export type { Table, TableOperator } from './tables/table.js'
export { tableFilter } from './tables/tableFilter.js'
export { type GroupedRow, type TableGroupByOptions, tableGroupBy } from './tables/tableGroupBy.js'
export { tableMapValues } from './tables/tableMapValues.js'
export type { TableRow } from './tables/tableRow.js'
export { type ChangeRecord, toStream } from './tables/toStream.js'
export { type HistoryOptions, toTable } from './tables/toTable.js'
export { deadLetter } from './task/deadLetter.js'
export type { DropReason, Timers, Waiting } from './task/definition.js'
export type { ErrorPolicies, ErrorPolicy, ErrorStage } from './task/errorPolicy.js'
export { local } from './task/local.js'
export { type RetryOptions, retry } from './task/retry.js'
export type { KeyedState } from './task/state.js'
export type { VersionOptions } from './task/stateVersion.js'
export type { TraceEvent } from './task/traceEvent.js'
export { type Tracer, tracer } from './task/tracer.js'
export type { AlignmentOptions, WatermarkOptions } from './task/watermark.js'
export { type CountWindowOptions, countWindow } from './windows/countWindow.js'
export { customWindow, type WindowAssigner } from './windows/customWindow.js'
export { globalWindow } from './windows/globalWindow.js'
export { hoppingWindow } from './windows/hoppingWindow.js'
export type { InWindow, WindowOptions } from './windows/inWindow.js'
export { type RollingOptions, rollingAggregate } from './windows/rollingAggregate.js'
export { sessionWindow } from './windows/sessionWindow.js'
export { slidingWindow } from './windows/slidingWindow.js'
export { tumblingWindow } from './windows/tumblingWindow.js'
