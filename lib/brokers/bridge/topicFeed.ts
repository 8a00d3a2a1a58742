import type { Broker, PartitionRange } from '../../ports/broker.js'
import { TidemarkError } from '../../record/errors.js'
import { PartitionFeed } from './partitionFeed.js'
import type { Subscription } from './subscription.js'
import { notServed } from './wireError.js'

/** After failures it asks less often, and at least so often. */
const LONGEST_WAIT_MS = 5_000

export interface TopicFeedOptions {
  readonly broker: Broker
  readonly topic: string
  readonly pollMs: number
  report(error: unknown): void
}

/** The partitions of one topic. Looks for new records as long as somebody waits for some: one request for all. */
export class TopicFeed {
  private readonly feeds: PartitionFeed[] = []
  private readonly subscriptions = new Set<Subscription>()
  private asking: Promise<readonly PartitionRange[]> | undefined
  private next: Promise<readonly PartitionRange[]> | undefined
  private timer: ReturnType<typeof setTimeout> | undefined
  /** In a row. */
  private failedPolls = 0
  private failedReads = 0
  private isClosed = false

  constructor(private readonly options: TopicFeedOptions) {}

  get size(): number {
    return this.subscriptions.size
  }

  /** Bytes kept of what has been read. */
  get bytes(): number {
    return this.feeds.reduce((sum, { bytes }) => sum + bytes, 0)
  }

  /** As the broker says from now on: those who come while it is asked share the next answer. */
  ranges(): Promise<readonly PartitionRange[]> {
    if (this.asking) {
      this.next ??= this.asking
        .catch(() => {})
        .then(() => {
          this.next = undefined
          return this.ranges()
        })
      return this.next
    }
    this.asking = this.ask().finally(() => {
      this.asking = undefined
    })
    return this.asking
  }

  private async ask(): Promise<readonly PartitionRange[]> {
    const { broker, topic } = this.options
    const ranges = await broker.ranges(topic)
    ranges.forEach((range, partition) => {
      this.feed(partition).reached(range)
    })
    return ranges
  }

  private feed(partition: number): PartitionFeed {
    const { broker, topic } = this.options
    this.feeds[partition] ??= new PartitionFeed(
      {
        broker,
        watch: () => this.watch(),
        failed: (error) => {
          this.failedReads++
          this.failed(error)
        },
        succeeded: () => {
          this.failedReads = 0
        },
      },
      { topic, partition },
    )
    return this.feeds[partition]
  }

  /** Begins to read for somebody. Those who are refused hear why. */
  add(subscription: Subscription, from: number | null, range: PartitionRange | undefined): void {
    const { topic, partition, to } = subscription
    if (!range) {
      subscription.refuse(notServed(topic, partition))
      return
    }
    subscription.position = from ?? range.start
    const asked = [subscription.position, ...(to < Number.POSITIVE_INFINITY ? [to] : [])]
    const outside = asked.find((offset) => offset < range.start || offset > range.end)
    if (outside !== undefined) {
      subscription.outOfRange(range, outside)
      return
    }
    if (subscription.position >= to) {
      subscription.end({ type: 'end', id: subscription.id })
      return
    }
    this.subscriptions.add(subscription)
    const feed = this.feed(partition)
    // Others may have been told a later one meanwhile.
    if (!feed.range) feed.reached(range)
    feed.add(subscription)
  }

  remove(subscription: Subscription): void {
    this.subscriptions.delete(subscription)
    this.feeds[subscription.partition]?.remove(subscription)
  }

  /** The subscription has been granted more, or its network takes more. */
  wake({ partition }: Subscription): void {
    this.feeds[partition]?.pump()
  }

  close(): void {
    this.isClosed = true
    clearTimeout(this.timer)
  }

  private watch(): void {
    if (this.isClosed || this.timer !== undefined || !this.feeds.some(({ isAwaited }) => isAwaited)) return
    const { pollMs } = this.options
    const waitMs = Math.min(pollMs * 2 ** Math.max(this.failedPolls, this.failedReads), LONGEST_WAIT_MS)
    this.timer = setTimeout(() => void this.poll(), waitMs)
  }

  private async poll(): Promise<void> {
    try {
      await this.ranges()
      this.failedPolls = 0
    } catch (error) {
      this.failedPolls++
      this.failed(error)
    } finally {
      this.timer = undefined
      this.watch()
    }
  }

  private failed(error: unknown): void {
    if (this.isClosed) return
    const isGone = error instanceof TidemarkError && error.code === 'UNKNOWN_TOPIC'
    // A log may begin later than it did when it was last asked about: the next answer tells, and to whom it matters.
    const isKnown = error instanceof TidemarkError && error.code === 'OFFSET_OUT_OF_RANGE'
    if (!isGone && !isKnown) this.options.report(error)
    for (const one of [...this.subscriptions]) {
      if (isGone) one.refuse(notServed(this.options.topic))
      else if (!isKnown) one.troubled(error)
    }
  }
}
