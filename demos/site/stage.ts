import { type App, json, string, type TraceEvent, tracer } from 'tidemark'
import { createReplay, openRecording, type Recording, type Replay, type ReplayOutput } from 'tidemark/replay'
import type { Command, Message, Output, Told } from './messages.js'

/** What is kept of a trace until the page has time for it. */
const MAX_EVENTS = 60_000
const PULSE_MS = 500

export interface StageOptions {
  /** Where in the pipeline's own text an error has come from. */
  lineOf?(error: unknown): number | undefined
  /** Takes in the pipeline's text, which the page sends before it opens anything. */
  load?(code: string): void
}

/** Replays a recording in a worker: runs the pipeline over it as the page commands, and tells what goes on, as fast as the page can take it in. */
export function stage(pipeline: (app: App) => unknown, { lineOf, load }: StageOptions = {}) {
  let replay: Replay<unknown> | undefined
  let opening = 0
  const tell = (message: Message, transfer: Transferable[] = []) => postMessage(message, { transfer })
  const fail = (error: unknown) =>
    tell({
      type: 'failed',
      code: (error as { code?: string }).code,
      message: error instanceof Error ? error.message : String(error),
      line: lineOf?.(error),
    })
  let courier: Courier | undefined

  async function open(file: Blob): Promise<void> {
    const ours = ++opening
    const recording = await openRecording(file)
    if (ours !== opening) return
    await replay?.close()
    const told = new Trace(recording)
    const opened = createReplay({ recording, pipeline, options: { trace: tracer((event) => told.add(event)) } })
    replay = opened
    opened.errors$.subscribe(fail)
    const timestamps = Float64Array.from({ length: recording.size }, (_, index) => recording.timestamp(index))
    const { size, from = 0, to = 0, topics } = recording
    tell({ type: 'opened', size, from, to, topics, timestamps }, [timestamps.buffer])
    courier = new Courier(opened, told, tell, fail)
  }

  let isLoaded = load === undefined
  function take(code: string): void {
    try {
      load?.(code)
      isLoaded = true
    } catch (error) {
      fail(error)
    }
  }

  setInterval(() => tell({ type: 'alive' }), PULSE_MS)
  addEventListener('message', ({ data }: MessageEvent<Command>) => {
    if (data.type === 'load') take(data.code)
    else if (!isLoaded) return
    else if (data.type === 'open') open(data.file).catch(fail)
    else if (data.type === 'seen') courier?.seen()
    else if (data.type === 'play') replay?.play()
    else if (data.type === 'pause') replay?.pause().catch(fail)
    else if (data.type === 'step') replay?.step(data.records).catch(() => {})
    else if (data.type === 'seek') replay?.seek({ index: data.index }).catch(() => {})
    else if (data.type === 'speed' && replay !== undefined) replay.speed = data.speed
  })
}

/** Says of each event of a trace which record of the recording it belongs to. */
class Trace {
  private told: Told[] = [{ index: 0, events: [] }]
  private size = 0
  /** By topic and partition: the place of its first record, then of each. */
  private readonly places = new Map<string, Map<number, number>>()
  private readonly sources = new Set<string>()

  constructor(recording: Recording) {
    for (let index = 0; index < recording.size; index++) {
      const { topic, partition, offset } = recording.record(index)
      const place = `${topic}/${partition}`
      const offsets = this.places.get(place) ?? new Map<number, number>()
      this.places.set(place, offsets.set(offset, index + 1))
    }
  }

  add(event: TraceEvent): void {
    if (event.type === 'node') {
      // A task has begun anew: the replay has jumped.
      if ((this.told.at(-1) as Told).index !== undefined && this.isUnderWay)
        this.told.push({ index: undefined, events: [] })
      if (event.role === 'source') this.sources.add(event.node)
    } else if (event.type === 'out' && this.sources.has(event.node)) {
      const { topic, partition, offset } = event.record
      const index = this.places.get(`${topic}/${partition}`)?.get(offset)
      if (index !== undefined) {
        this.isUnderWay = true
        this.told.push({ index, events: [] })
      }
    }
    ;(this.told.at(-1) as Told).events.push(event)
    if (++this.size > MAX_EVENTS && this.told.length > 1) this.size -= (this.told.shift() as Told).events.length
  }
  private isUnderWay = false

  take(): Told[] {
    const told = this.told
    // What still comes belongs to the last record.
    const { index } = told.at(-1) as Told
    this.told = [{ index, events: [] }]
    this.size = 0
    return told.filter(({ events }) => events.length > 0)
  }
}

/** Sends a frame when there is something new and the page has seen the last one. */
class Courier {
  private isFree = true
  private isDue = false
  private outputs: Output[] = []

  constructor(
    private readonly replay: Replay<unknown>,
    private readonly trace: Trace,
    private readonly tell: (message: Message) => void,
    private readonly fail: (error: unknown) => void,
  ) {
    replay.outputs$.subscribe((output) => this.outputs.push(decoded(output)))
    replay.position$.subscribe(() => this.due())
    replay.state$.subscribe(() => this.due())
  }

  seen(): void {
    this.isFree = true
    if (this.isDue) this.due()
  }

  private due(): void {
    this.isDue = true
    if (!this.isFree) return
    this.isFree = false
    // What belongs together is told in one go.
    queueMicrotask(() => {
      this.isDue = false
      const { position, state } = this.replay
      try {
        this.tell({ type: 'frame', position, state, told: this.trace.take(), outputs: this.outputs })
      } catch (error) {
        this.isFree = true
        this.fail(error)
      }
      this.outputs = []
    })
  }
}

function decoded({ topic, key, value, timestamp, index }: ReplayOutput): Output {
  return { topic, key: key === null ? '' : string().deserialize(key), value: readable(value), timestamp, index }
}

function readable(value: Uint8Array | null): unknown {
  if (value === null) return null
  try {
    return json().deserialize(value)
  } catch {
    return string().deserialize(value)
  }
}
