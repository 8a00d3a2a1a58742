import { type App, tracer } from 'tidemark'
import { createReplay, openRecording, type Replay } from 'tidemark/replay'
import { Courier } from './courier.js'
import type { Command, Message } from './messages.js'
import { ToldTrace } from './toldTrace.js'

const PULSE_MS = 500
/** Records that a way forward is told after, at first, and at most. It grows little by little: the first that can be seen may not be among the first of all. */
const FIRST_HOP = 25
const HOP_GROWS = 1.25
const MAX_HOP = 2_000

export interface StageOptions {
  /** Where in the pipeline's own text an error has come from. */
  lineOf?(error: unknown): number | undefined
  /** Takes in the pipeline's text, which the page sends before it opens anything. */
  load?(code: string): Promise<void>
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
    const told = new ToldTrace(recording)
    const opened = createReplay({ recording, pipeline, options: { trace: tracer((event) => told.add(event)) } })
    replay = opened
    opened.errors$.subscribe(fail)
    const timestamps = Float64Array.from({ length: recording.size }, (_, index) => recording.timestamp(index))
    tell({ type: 'opened', size: recording.size, timestamps }, [timestamps.buffer])
    courier = new Courier(opened, told, tell, fail)
  }

  let seeking = 0
  async function seek(index: number): Promise<void> {
    const ours = ++seeking
    let hop = FIRST_HOP
    while (replay !== undefined && ours === seeking) {
      const { index: now } = replay.position
      const next = Math.min(index, now + hop)
      hop = Math.min(Math.ceil(HOP_GROWS * hop), MAX_HOP)
      if (!(await replay.seek({ index: next })) || next === index) return
    }
  }

  // What a pipeline fails with is told as an error of the replay.
  const told = () => {}
  let loaded = Promise.resolve()
  const follow = (command: Command) => {
    if (command.type === 'load') {
      loaded = (load as NonNullable<typeof load>)(command.code)
      loaded.catch(fail)
    } else if (command.type === 'open') loaded.then(() => open(command.file).catch(fail), told)
    else if (command.type === 'seen') courier?.seen()
    else if (command.type === 'play') replay?.play()
    else if (command.type === 'pause') replay?.pause().catch(told)
    else if (command.type === 'seek') seek(command.index).catch(told)
    else if (command.type === 'step') {
      seeking++
      replay?.step(command.records).catch(told)
    } else if (command.type === 'speed' && replay !== undefined) replay.speed = command.speed
  }
  setInterval(() => tell({ type: 'alive' }), PULSE_MS)
  addEventListener('message', ({ data }: MessageEvent<Command>) => follow(data))
}
