import { json, string } from 'tidemark'
import type { Replay, ReplayOutput } from 'tidemark/replay'
import type { Message, Output } from './messages.js'
import type { ToldTrace } from './toldTrace.js'

/** Sends a frame when there is something new and the page has seen the last one. */
export class Courier {
  private isFree = true
  private isDue = false
  private outputs: Output[] = []

  constructor(
    private readonly replay: Replay<unknown>,
    private readonly trace: ToldTrace,
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
