import { expect, test } from '@jest/globals'
import { entries, exportedNames } from './publicNames.js'

/** All that users can import. What is added here is a promise; what is taken away breaks somebody's code. */
const NAMES: Record<string, string> = {
  tidemark: `
    AggregateOptions Aggregated Aggregator Aggregators App AppOptions AppState AppStats Broker Change Clock Consumer
    ConsumerListener ConsumerOptions DropReason Duration EmbeddedOptions ErrorCode ErrorPlace ForeignKeyJoinOptions
    GlobalTable GlobalTableJoinOptions GlobalTableOptions GlobalTableStats Header Headers InWindow Key KeyByOptions
    MapAsyncOptions NO_HEADERS NewTopic OutRecord PartitionRange Position ProcessContext ProcessOptions Processor
    Producer RawBatch RawRecord ResultOf RollingOptions Serde StoreAdapter StoreChanges StoreEntry StreamOptions
    StreamRecord StreamStreamJoinOptions StreamTableJoinOptions Table TableOptions TaskStats TidemarkError
    ToTopicOptions TopicPartition Transaction TransactionalProducer WatermarkOptions Window WindowOptions
    WindowedRecord WithValue aggregate avg bytes collect compareKeys count countDistinct createApp durationMs embedded
    first foreignKeyJoin globalTable globalTableJoin json keyBy last local mapAsync mapValues max memory min
    partitionOf placeOf process record reduce rollingAggregate shared sideOutput streamStreamJoin streamTableJoin
    string sum toTable toTopic tumblingWindow withWatermark
    AggregateOptions Aggregated Aggregator Aggregators App AppOptions AppState AppStats ApproxCountDistinctOptions
    Broker Change ChangeRecord Clock Consumer ConsumerListener ConsumerOptions DerivedOptions DropReason Duration
    EmbeddedOptions ErrorCode ErrorPlace ExtremeOptions GlobalTable GlobalTableJoinOptions GlobalTableOptions
    GlobalTableStats GroupedRow Header Headers Histogram HistogramOptions HistoryOptions InWindow Key KeyByOptions
    MapAsyncOptions NO_HEADERS NewTopic OutRecord PartitionRange Position ProcessContext ProcessOptions Processor
    Producer QuantileOptions RawBatch RawRecord ResultOf RollingOptions Serde SpreadOptions StoreAdapter
    StoreChanges StoreEntry StreamOptions StreamRecord StreamStreamJoinOptions StreamTableJoinOptions Table
    TableGroupByOptions TableJoinKind TableOperator TableOptions TableRow TableTableJoinOptions TaskStats
    TidemarkError ToTopicOptions TopKOptions TopicPartition Transaction TransactionalProducer WatermarkOptions
    Window WindowOptions WindowedRecord WithValue aggregate approxCountDistinct avg bytes collect compareKeys
    correlation count countDistinct createApp durationMs embedded first globalTable globalTableJoin histogram json
    keyBy last local mapAsync mapValues max median memory min partitionOf placeOf process quantiles record reduce
    rollingAggregate shared sideOutput stddev streamStreamJoin streamTableJoin string sum tableFilter tableGroupBy
    tableMapValues tableTableJoin toStream toTable toTopic topK tumblingWindow variance withWatermark
    AbsenceOptions AggregateOptions Aggregated Aggregator Aggregators App AppOptions AppState AppStats
    ApproxCountDistinctOptions BatchOptions Branches Broker Change Clock Consumer ConsumerListener ConsumerOptions
    DedupOptions DropReason Duration EmbeddedOptions ErrorCode ErrorPlace ExtremeOptions Header Headers Histogram
    HistogramOptions InWindow Key KeyByOptions KeyedState LatestOptions MapAsyncOptions MatchPatternOptions
    NO_HEADERS NewTopic OutRecord PartitionRange Pattern Position ProcessContext ProcessOptions Processor Producer
    QuantileOptions RateLimitOptions RawBatch RawRecord ResultOf RollingOptions SelectKeyOptions Serde Split
    SpreadOptions StepOptions StoreAdapter StoreChanges StoreEntry StreamOptions StreamRecord StreamTableJoinOptions
    Table TableOptions TaskStats TidemarkError Timers ToTopicOptions TopKOptions TopicPartition Transaction
    TransactionalProducer ValueState WatermarkOptions Window WindowOptions WindowedRecord WithKey WithValue
    aggregate approxCountDistinct avg batch bytes collect compareKeys correlation count countDistinct createApp
    dedup durationMs embedded first flatMap histogram json keyBy last latest local mapAsync mapValues matchPattern
    max median memory min partitionOf pattern peek placeOf process quantiles rateLimit record reduce
    rollingAggregate selectKey shared sideOutput split stddev streamTableJoin string sum toTable toTopic topK
    tumblingWindow variance withWatermark
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
  'tidemark/testing': `
    BrokerLaw Diagram Emission ExpectedRecord MarbleOptions MarbleRun MarbleSources MarbleTools MarbleValue Mark
    OperatorLaw OperatorLawOptions ReadRecord RecordMatchers SentRecord StateEntry StoreConformanceOptions StoreLaw
    TestApp TestAppOptions TestClock TestTopic brokerConformance matchers operatorLaws parseDiagram runMarbles
    storeConformance testApp testClock
  `,
}

test('every subpath of the package has its list of names', () => {
  expect([...entries().keys()].sort()).toEqual(Object.keys(NAMES).sort())
})

test.each([...entries()])('%s exports what is written down, and nothing else', (name, path) => {
  expect(exportedNames(path)).toEqual((NAMES[name] ?? '').trim().split(/\s+/))
})
