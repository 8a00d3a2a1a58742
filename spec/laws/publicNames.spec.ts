import { expect, test } from '@jest/globals'
import { entries, exportedNames } from './publicNames.js'

/** All that users can import. What is added here is a promise; what is taken away breaks somebody's code. */
const NAMES: Record<string, string> = {
  tidemark: `
    AggregateOptions Aggregated Aggregator Aggregators AlignmentOptions App AppOptions AppState AppStats Broker
    Change Clock Consumer ConsumerListener ConsumerOptions DropReason Duration EmbeddedOptions ErrorCode ErrorPlace
    ExplainRequest Explanation Header Headers Hold HoldRule InWindow Key KeyByOptions MapAsyncOptions NO_HEADERS
    NewTopic OutRecord PartitionRange PartitionState Position ProcessContext ProcessOptions Processor Producer
    RawBatch RawRecord ResultOf RollingOptions Serde SourceState StoreAdapter StoreChanges StoreEntry StreamOptions
    StreamRecord StreamTableJoinOptions Table TableOptions TaskExplanation TaskStats TidemarkError ToTopicOptions
    TopicPartition Transaction TransactionalProducer Waiting WatermarkOptions Window WindowOptions WindowedRecord
    WithValue WriterState aggregate avg bytes collect compareKeys count countDistinct createApp durationMs embedded
    first json keyBy last local mapAsync mapValues max memory min partitionOf placeOf process record reduce
    rollingAggregate shared sideOutput streamTableJoin string sum toTable toTopic tumblingWindow withWatermark
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
    BrokerLaw Diagram Emission ExpectedRecord MarbleOptions MarbleRun MarbleSources MarbleTools MarbleValue Mark OperatorLaw
    OperatorLawOptions ReadRecord RecordMatchers SentRecord StateEntry StoreConformanceOptions StoreLaw TestApp
    TestAppOptions TestClock TestTopic brokerConformance matchers operatorLaws parseDiagram runMarbles
    storeConformance testApp testClock
  `,
}

test('every subpath of the package has its list of names', () => {
  expect([...entries().keys()].sort()).toEqual(Object.keys(NAMES).sort())
})

test.each([...entries()])('%s exports what is written down, and nothing else', (name, path) => {
  expect(exportedNames(path)).toEqual((NAMES[name] ?? '').trim().split(/\s+/))
})
