import type { OutRecord } from '../ports/broker.js'
import type { TopicTarget, TopicWrite } from '../task/definition.js'
import type { Node } from '../task/node.js'
import { ExchangeWords } from './exchangeWords.js'
import type { PartitionQueue } from './partitionQueue.js'
import { recordBytes } from './recordBytes.js'
import type { TaskHost } from './taskHost.js'
import type { TaskReaders } from './taskReaders.js'
import { topicTarget } from './topicTarget.js'
import { WaitingRows } from './waitingRows.js'

/** What a task has written since it was last taken: records for topics, and rows. */
export class TaskOutput {
  records: OutRecord[] = []
  /** About what they take in memory. */
  bytes = 0
  readonly rows = new WaitingRows()
  readonly words: ExchangeWords

  constructor(
    private readonly host: TaskHost,
    /** Whom the words of exchanges come from. */
    writer: string,
    readers: TaskReaders,
    queues: readonly PartitionQueue[],
  ) {
    this.words = new ExchangeWords(writer, readers, queues)
  }

  target(node: Node): TopicTarget {
    return topicTarget(node, this.host.plan, (topic) => this.host.partitions(topic))
  }

  write(node: Node, write: TopicWrite): void {
    if (isWriter(node)) this.words.hasWritten(node, write.partition)
    this.records.push(write)
    this.bytes += recordBytes(write)
  }

  /** Tells the readers of exchanges how far time is, in partitions where no record has told them. */
  stampExchanges(nodes: readonly Node[]): void {
    const due = this.words.due(
      nodes.filter(isWriter).map((node) => [node, this.target(node)] as const),
      this.host.clock.now(),
    )
    for (const word of due) this.records.push(word)
  }

  take(): OutRecord[] {
    const { records } = this
    this.records = []
    this.bytes = 0
    return records
  }
}

/** Whether it is the writing half of an exchange. */
export const isWriter = ({ definition: { role } }: Node): boolean => role?.is === 'writer'
