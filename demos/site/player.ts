import type { TraceEvent } from 'tidemark'
import type { ReplayState } from 'tidemark/replay'
import { Journal } from './journal.js'
import type { Command, Failed, Message, Opened, Output } from './messages.js'

/** What draws a trace. */
export interface Viewer {
  add(event: TraceEvent): void
  /** Forgets what was told after that event. */
  truncate(id: number): void
  /** It keeps too little to forget just that: it is told anew. */
  readonly forgets?: boolean
}

/** How things stand. */
export interface Scene {
  readonly opened: Opened
  /** Records that have been handled. */
  readonly index: number
  /** The newest timestamp so far, ms since the epoch. */
  readonly time: number
  readonly state: ReplayState
}

/** Shows what the pipeline has written. */
export interface Panel {
  /** It begins from nothing again. */
  reset(): void
  take(output: Output): void
  draw(): void
}

export interface PlayerOptions {
  readonly panel: Panel
  /** A recording has been opened. Returns what draws its trace. */
  opened(opened: Opened): readonly Viewer[]
  /** Once per frame of the screen, if something has changed. */
  draw(scene: Scene): void
  failed(failure: Failed): void
  /** The worker has stopped, or begun, to answer. */
  answers?(does: boolean): void
}

/** After which a worker counts as one that doesn't answer. */
const PATIENCE_MS = 2_500

/** The page's end of a stage: keeps what it has told, so that going back is at once. */
export class Player {
  private journal = new Journal()
  private outputs: Output[] = []
  private opened: Opened | undefined
  private stands: Pick<Scene, 'index' | 'time' | 'state'> = {
    index: 0,
    time: 0,
    state: 'paused',
  }
  /** What the viewers and the panel have been told. */
  private shown = { generation: -1, last: 0, outputs: 0 }
  private viewers: readonly Viewer[] = []
  private worker: Worker | undefined
  private isDue = false
  private heard = 0
  private answers = true

  constructor(private readonly options: PlayerOptions) {
    setInterval(() => this.listen(), PATIENCE_MS / 5)
  }

  private listen(): void {
    if (this.worker === undefined || document.hidden) this.heard = performance.now()
    const answers = performance.now() - this.heard < PATIENCE_MS
    if (answers !== this.answers) this.options.answers?.(answers)
    this.answers = answers
  }

  /** Ends the worker there was, and listens to this one. */
  use(worker: Worker): void {
    this.stop()
    this.worker = worker
    this.heard = performance.now()
    worker.onmessage = ({ data }: MessageEvent<Message>) => this.take(data)
    worker.onerror = ({ message }) => this.options.failed({ type: 'failed', code: undefined, message, line: undefined })
  }

  /** Ends the worker, whatever it is doing. */
  stop(): void {
    this.worker?.terminate()
    this.worker = undefined
    // Nobody's answer is waited for any more, and nobody has begun to answer.
    this.answers = true
  }

  send(command: Command): void {
    this.worker?.postMessage(command)
  }

  get scene(): Scene | undefined {
    if (this.opened === undefined) return undefined
    return { ...this.stands, opened: this.opened }
  }

  /** What has been written up to where it stands. */
  get written(): readonly Output[] {
    return this.outputs.slice(0, this.countAt(this.stands.index))
  }

  private take(message: Message): void {
    this.heard = performance.now()
    if (message.type === 'alive') return
    if (message.type === 'failed') {
      this.options.failed(message)
      return
    }
    if (message.type === 'opened') {
      this.opened = message
      this.journal = new Journal()
      this.outputs = []
      this.stands = { index: 0, time: 0, state: 'paused' }
      this.shown = { generation: -1, last: 0, outputs: Number.POSITIVE_INFINITY }
      this.viewers = this.options.opened(message)
    } else {
      this.journal.take(message.told)
      const known = this.outputs.at(-1)?.index ?? 0
      for (const output of message.outputs) if (output.index > known) this.outputs.push(output)
      const { index, timestamp: time } = message.position
      this.stands = { index, time, state: message.state }
    }
    if (this.isDue) return
    this.isDue = true
    requestAnimationFrame(() => {
      this.isDue = false
      this.draw()
    })
  }

  private draw(): void {
    const { panel, draw } = this.options
    const { journal, scene, viewers } = this
    if (scene === undefined) return
    const last = journal.last(scene.index)
    if (this.shown.generation !== journal.generation) for (const viewer of viewers) viewer.truncate(0)
    else if (last < this.shown.last) for (const viewer of viewers) this.rewind(viewer, last)
    const after = this.shown.generation === journal.generation ? this.shown.last : 0
    for (const event of journal.between(after, last)) for (const viewer of viewers) viewer.add(event)
    const outputs = this.countAt(scene.index)
    if (outputs < this.shown.outputs) panel.reset()
    const from = outputs < this.shown.outputs ? 0 : this.shown.outputs
    for (const output of this.outputs.slice(from, outputs)) panel.take(output)
    panel.draw()
    this.shown = { generation: journal.generation, last, outputs }
    draw(scene)
    this.send({ type: 'seen' })
  }

  private rewind(viewer: Viewer, last: number): void {
    viewer.truncate(viewer.forgets ? 0 : last)
    if (viewer.forgets) for (const event of this.journal.between(0, last)) viewer.add(event)
  }

  /** How many outputs there are up to a record. */
  private countAt(index: number): number {
    let [low, high] = [0, this.outputs.length]
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.outputs[middle] as Output).index <= index) low = middle + 1
      else high = middle
    }
    return low
  }
}
