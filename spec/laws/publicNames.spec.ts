import { expect, test } from '@jest/globals'
import { entries, exportedNames } from './publicNames.js'

/** All that users can import. What is added here is a promise; what is taken away breaks somebody's code. */
const NAMES: Record<string, string> = {
  tidemark: `
    AbsenceOptions AggregateOptions Aggregated Aggregator Aggregators AlignmentOptions App AppOptions AppState
    AppStats ApproxCountDistinctOptions BatchOptions Branches Broker Change ChangeRecord CircuitOptions Clock
    CogroupInput Cogrouped Consumer ConsumerListener ConsumerOptions CountWindowOptions DedupOptions DerivedOptions
    DropReason Duration EmbeddedOptions ErrorCode ErrorPlace ErrorPolicies ErrorPolicy ErrorStage ExplainRequest
    Explanation ExtremeOptions ForeignKeyJoinOptions GlobalTable GlobalTableJoinOptions GlobalTableOptions
    GlobalTableStats GroupedRow Guarantee Header Headers Health Histogram HistogramOptions HistoryOptions Hold
    HoldRule InWindow Key KeyByOptions KeyedState LatestOptions MapAsyncOptions MatchPatternOptions NO_HEADERS
    NewTopic OpenCheckpointOptions OutRecord PartitionRange PartitionState Pattern PlanComparison Position
    ProcessContext ProcessOptions Processor Producer QuantileOptions RateLimitOptions RawBatch RawRecord
    RebalanceStats RestoreStats ResultOf RetryOptions RollingOptions Rules Savepoint SelectKeyOptions Serde
    ShadowDifference ShadowOptions ShadowReport SourceState Split SpreadOptions StandbyStats StateComparison
    StepOptions StoreAdapter StoreChanges StoreEntry StoredEntry StreamOptions StreamRecord StreamStreamJoinOptions
    StreamTableJoinOptions SuppressOptions Table TableGroupByOptions TableJoinKind TableOperator TableOptions
    TableRow TableTableJoinOptions TaskExplanation TaskStats TidemarkError Timers ToTopicOptions TopKOptions
    TopicComparison TopicOutputs TopicPartition TraceEvent Tracer Transaction TransactionalProducer
    TransactionalStore UpgradeOptions ValueState VersionOptions Waiting WatermarkOptions Window WindowAssigner
    WindowOptions WindowedRecord WithKey WithValue WriterState aggregate approxCountDistinct avg batch broadcast
    bytes cogroup collect compareKeys correlation count countDistinct countWindow createApp customWindow deadLetter
    dedup durationMs embedded first flatMap foreignKeyJoin globalTable globalTableJoin globalWindow histogram
    hoppingWindow json keyBy last latest local mapAsync mapValues matchPattern max median memory min openCheckpoint
    partitionOf pattern peek placeOf process quantiles rateLimit record reduce retry rollingAggregate selectKey
    sessionWindow shadow shared sideOutput slidingWindow split stddev streamStreamJoin streamTableJoin string sum
    suppress tableFilter tableGroupBy tableMapValues tableTableJoin toRows toStream toTable toTopic topK tracer
    tumblingWindow variance withWatermark writeCheckpoint
  `,
  'tidemark/bridge': `
    Bridge BridgeOptions BridgeRequest BridgeStats bridge
  `,
  'tidemark/idb': `
    idb
  `,
  'tidemark/kafka': `
    KafkaOptions kafka
  `,
  'tidemark/level': `
    LevelOptions level
  `,
  'tidemark/marbles': `
    MarbleView MarbleViewOptions StateTable StateTableOptions marbleView stateTable
  `,
  'tidemark/postgres': `
    PostgresOptions postgres
  `,
  'tidemark/remote': `
    RemoteOptions remote
  `,
  'tidemark/replay': `
    OpenRecordingOptions RecordTopicsOptions RecordedRecord Recording RecordingPlace Replay ReplayOptions
    ReplayOutput ReplayPosition ReplayState StateEntry createReplay openRecording recordTopics writeRecording
  `,
  'tidemark/tabs': `
    tabs
  `,
  'tidemark/testing': `
    BrokerLaw Diagram Emission ExpectedRecord FaultOptions FaultReport InputRecord MarbleOptions MarbleRun
    MarbleSources MarbleTools MarbleValue Mark OperatorLaw OperatorLawOptions ReadRecord RecordMatchers SentRecord
    StateEntry StoreConformanceOptions StoreLaw TestApp TestAppOptions TestClock TestTopic brokerConformance
    expectSameUnderFaults matchers operatorLaws parseDiagram runMarbles storeConformance testApp testClock
  `,
}

test('every subpath of the package has its list of names', () => {
  expect([...entries().keys()].sort()).toEqual(Object.keys(NAMES).sort())
})

test.each([...entries()])('%s exports what is written down, and nothing else', (name, path) => {
  expect(exportedNames(path)).toEqual((NAMES[name] ?? '').trim().split(/\s+/))
})
