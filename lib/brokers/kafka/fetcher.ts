import { type Position, placeOf, type RawBatch, type TopicPartition } from '../../ports/broker.js'
import { partitionKey } from '../../ports/partitionKey.js'
import { TidemarkError } from '../../record/errors.js'
import type { ClusterClient } from './cluster.js'
import { isTransient, tidemarkError } from './errors.js'
import { type Fetched, FetchFailed, type FetchLimits, fetchRecords } from './fetch.js'

const OFFSET_OUT_OF_RANGE = 1
const OUTAGE_MS = 3_000
const LONGEST_PAUSE_MS = 1_000
// A fetch that waits would hold back a partition that resumes meanwhile.
const MAX_WAIT_BESIDE_PAUSED_MS = 25

/** An assigned partition, where its reader is, and what was fetched for it but can't be handed over yet. */
interface Lane extends TopicPartition {
  readonly key: string
  position: number
  waiting: Fetched | undefined
}

export interface FetcherOptions {
  readonly topics: readonly string[]
  readonly limits: FetchLimits
  /** Hands a batch over. */
  batch(batch: RawBatch): void
  error(error: TidemarkError, fatal: boolean): void
}

/** Fetches for the lanes that want it, one request at a time from each node, the next one while the last is worked on. */
export class Fetcher {
  private readonly lanes = new Map<string, Lane>()
  private readonly paused = new Set<string>()
  /** Where partitions start that are to be added. */
  private readonly sought = new Map<string, number>()
  private readonly loops = new Map<number, Promise<void>>()
  private waiters: (() => void)[] = []
  private isHeld = false
  private isClosed = false
  private turn = 0

  constructor(
    private readonly cluster: ClusterClient,
    private readonly options: FetcherOptions,
  ) {}

  /** Begins with a partition, or goes on with it from elsewhere. */
  add({ topic, partition, offset }: Position): void {
    const key = partitionKey({ topic, partition })
    const position = this.sought.get(key) ?? offset
    this.sought.delete(key)
    this.lanes.set(key, { key, topic, partition, position, waiting: undefined })
  }

  remove(partition: TopicPartition): void {
    const key = partitionKey(partition)
    this.lanes.delete(key)
    this.sought.delete(key)
  }

  seek(position: Position): void {
    const key = partitionKey(position)
    if (this.lanes.has(key)) this.add(position)
    else this.sought.set(key, position.offset)
  }

  pause(partition: TopicPartition): void {
    this.paused.add(partitionKey(partition))
  }

  resume(partition: TopicPartition): void {
    this.paused.delete(partitionKey(partition))
  }

  /** Hands nothing over until `release`. */
  hold(): void {
    this.isHeld = true
  }

  release(): void {
    this.isHeld = false
    this.wake()
  }

  /** Goes on after lanes have been added, resumed or moved. */
  wake(): void {
    for (const lane of this.lanes.values()) {
      if (lane.waiting) this.handOver(lane, lane.waiting)
    }
    for (const resolve of this.waiters.splice(0)) resolve()
    if (this.isClosed) return
    for (const node of this.nodes()) {
      if (!this.loops.has(node)) this.loops.set(node, this.loop(node))
    }
  }

  close(): void {
    this.isClosed = true
    this.lanes.clear()
    this.wake()
  }

  private nodes(): Set<number> {
    return new Set(Array.from(this.lanes.values(), (lane) => this.leader(lane)))
  }

  /** A partition whose leader isn't known is asked of node -1, which fails and looks for it. */
  private leader(lane: Lane): number {
    return this.cluster.leader(lane) ?? -1
  }

  private async loop(nodeId: number): Promise<void> {
    let failingSince: number | undefined
    let pauseMs = 0
    await null
    while (!this.isClosed) {
      const led = [...this.lanes.values()].filter((lane) => this.leader(lane) === nodeId)
      if (led.length === 0) break
      const wanting = led.filter((lane) => !lane.waiting && !this.paused.has(lane.key))
      if (wanting.length === 0) {
        await new Promise<void>((resolve) => this.waiters.push(resolve))
        continue
      }
      try {
        await this.fetch(nodeId, wanting, led.length > wanting.length)
        failingSince = undefined
        pauseMs = 0
      } catch (error) {
        if (this.isClosed) break
        failingSince ??= Date.now()
        const place = error instanceof FetchFailed ? placeOf(error.at) : {}
        const ours = tidemarkError(this.cluster.name, 'fetching', error, place)
        if (!isTransient(error) && ours.code !== 'UNKNOWN_TOPIC') return this.options.error(ours, true)
        if (Date.now() - failingSince >= OUTAGE_MS) {
          failingSince = Number.POSITIVE_INFINITY
          this.options.error(ours, false)
        }
        pauseMs = Math.min(2 * pauseMs + 20, LONGEST_PAUSE_MS)
        await new Promise((resolve) => setTimeout(resolve, pauseMs))
        await this.cluster.refresh(this.options.topics).catch(() => {})
        // Partitions may have moved to nodes that nobody fetches from yet.
        this.wake()
      }
    }
    this.loops.delete(nodeId)
    this.wake()
  }

  private async fetch(nodeId: number, wanting: readonly Lane[], isBesidePaused: boolean): Promise<void> {
    const { limits } = this.options
    // The answer's size is limited, so each partition gets its turn to be first.
    const first = this.turn++ % wanting.length
    const lanes = [...wanting.slice(first), ...wanting.slice(0, first)]
    const maxWaitMs = isBesidePaused ? Math.min(limits.maxWaitMs, MAX_WAIT_BESIDE_PAUSED_MS) : limits.maxWaitMs
    const positions = lanes.map(({ topic, partition, position }) => ({ topic, partition, offset: position }))
    const fetched = await fetchRecords(await this.cluster.node(nodeId), positions, { ...limits, maxWaitMs })
    let failure: FetchFailed | undefined
    for (const one of fetched) {
      const lane = this.lanes.get(partitionKey(one))
      // The partition may be gone meanwhile, or go on from elsewhere.
      if (!lane || lane.waiting || lane.position !== one.from) continue
      if (one.errorCode === OFFSET_OUT_OF_RANGE) await this.startOver(lane)
      else if (one.errorCode !== 0) failure = new FetchFailed(one, one.errorCode)
      else if (one.nextOffset > one.from) this.handOver(lane, one)
    }
    if (failure) throw failure
  }

  private handOver(lane: Lane, fetched: Fetched): void {
    if (this.isHeld || this.paused.has(lane.key)) {
      lane.waiting = fetched
      return
    }
    lane.waiting = undefined
    lane.position = fetched.nextOffset
    const { topic, partition, records, nextOffset, endOffset } = fetched
    this.options.batch({ topic, partition, records, nextOffset, endOffset })
  }

  /** The log doesn't hold the position (any more): that is said, and it goes on where the log starts. */
  private async startOver(lane: Lane): Promise<void> {
    const asked = lane.position
    const range = (await this.cluster.ranges(lane.topic))[lane.partition]
    if (this.lanes.get(lane.key) !== lane || lane.position !== asked) return
    lane.position = range?.start ?? 0
    this.options.error(
      new TidemarkError(
        'OFFSET_OUT_OF_RANGE',
        `${this.cluster.name}: was to go on at offset ${asked}, but the log holds ${range?.start} to ${range?.end}; going on at ${range?.start}`,
        placeOf({ topic: lane.topic, partition: lane.partition, offset: asked }),
      ),
      false,
    )
  }
}
