import type { Observable } from 'rxjs'
import { runtimeOf } from '../app/app.js'
import { type StateEntry, stateEntries } from '../app/stateEntry.js'
import { type App, type AppOptions, createApp, embedded, memory } from '../index.js'
import type { Clock } from '../ports/clock.js'
import { systemClock } from '../ports/systemClock.js'
import { TidemarkError } from '../record/errors.js'
import { compareKeys } from '../record/key.js'
import { wholeNumber } from '../record/wholeNumber.js'
import { Player } from './player.js'
import { RecordedClock } from './recordedClock.js'
import type { Recording, RecordingPlace } from './recording.js'
import { ReplayCheckpoints } from './replayCheckpoints.js'
import { ReplayGlobals } from './replayGlobals.js'
import type { ReplayOutput } from './replayOutputs.js'
import { ReplayRun } from './replayRun.js'
import { ReplayTasks } from './replayTasks.js'

export interface ReplayOptions<T> {
  readonly recording: Recording
  /** Builds the pipelines, as for any app; don't start it. What it returns is the replay's `result`. */
  readonly pipeline: (app: App) => T
  /** Further options of the app. */
  readonly options?: Omit<AppOptions, 'id' | 'broker' | 'store' | 'clock'>
  /** The app's. Default `replay`. */
  readonly id?: string
  /** Partitions of topics that the recording hasn't got: empty ones that are read, and those that are written. Default for the latter: as many as the widest has. */
  readonly topics?: { readonly [topic: string]: number }
  /** About how much memory checkpoints may take. Default 128 MiB. */
  readonly maxCheckpointBytes?: number
  /** By which records are let through at their speed. */
  readonly clock?: Clock
}

/** Where a replay is. */
export interface ReplayPosition {
  /** How many records have been handled, */
  readonly index: number
  /** and how many there are. */
  readonly of: number
  /** The time at which the last of them was recorded, ms: that of a live app's clock then. Before any, that of the first. */
  readonly timestamp: number
  /** How far event time is: the lowest watermark of all tasks that have one; where none is declared, stream time. -Infinity before the first record. */
  readonly watermark: number
}

export type ReplayState = 'paused' | 'playing' | 'seeking' | 'failed' | 'closed'

/** A pipeline that runs over a recording, and stops where one likes. */
export interface Replay<T> {
  readonly app: App
  /** What the pipeline function has returned: tables can be read and watched at all times, and show the rows at the present position. */
  readonly result: T
  readonly recording: Recording
  /** How many records have been handled: as `position.index`, and up to date within a slice too, for whoever is called from within the pipeline. */
  readonly index: number
  readonly position: ReplayPosition
  /** The present one first; then after each step, each seek, and some times a second while it plays. */
  readonly position$: Observable<ReplayPosition>
  readonly state: ReplayState
  /** The present one first. */
  readonly state$: Observable<ReplayState>
  /** Recorded time per time: 0.1 to 1000, or Infinity for as fast as it can. */
  speed: number
  /** The names of all states. */
  readonly states: readonly string[]
  /**
   * The entries of a state at the present position, as a checkpoint would have them: by task, then key. It gathers all states for it; a table's rows are read at less cost from
   * `result`.
   *
   * @throws TidemarkError `BAD_OPTION` if there is no such state
   */
  stateEntries(name: string): readonly StateEntry[]
  /** What the pipeline has written to topics up to the present position, in order. */
  outputs(topic?: string): readonly ReplayOutput[]
  /**
   * Each record that the pipeline writes, as the replay moves on past it. When it has moved back, those with a larger `index` than the position aren't there any more, and come
   * again on the way forward.
   */
  readonly outputs$: Observable<ReplayOutput>
  /** Errors of the pipeline: those that it goes on after, and that by which the replay fails. */
  readonly errors$: Observable<TidemarkError>
  /** Goes on by itself, up to the end of the recording. */
  play(): void
  /** Resolves when it stands still. */
  pause(): Promise<void>
  /** Pauses, and goes so many records on, or back. Resolves like {@link seek}. */
  step(records?: number): Promise<boolean>
  /**
   * Goes to a place, forward or backward, and plays on from there if it was playing. Resolves with true when it is there, with false if another `seek` or `step`, or
   * `close`, has come in between.
   *
   * @throws TidemarkError by the promise: `BAD_OPTION`, `BAD_STATE`; what the pipeline fails with on the way
   */
  seek(place: RecordingPlace): Promise<boolean>
  /** How many checkpoints there are to go back to, and about what memory they take. */
  readonly checkpoints: { readonly count: number; readonly bytes: number }
  /** Ends it, and frees what it holds: outputs, entries and checkpoints are gone. */
  close(): Promise<void>
}

/**
 * Runs a pipeline over a recording: forward, at any speed, step by step, and back. At each place, state and outputs are those of a run over so many records.
 *
 * ```ts
 * const replay = createReplay({ recording, pipeline: fraud })
 * await replay.seek({ index: 10_000 })
 * replay.outputs('fraud-alerts')
 * await replay.step(-1)
 * ```
 *
 * @throws TidemarkError every planning error; `UNKNOWN_TOPIC` for a topic that the recording hasn't got; `CO_PARTITION`, `BAD_OPTION`
 */
export function createReplay<T>(given: ReplayOptions<T>): Replay<T> {
  const { recording, pipeline, id = 'replay', topics = {} } = given
  const clock = new RecordedClock(recording.from ?? 0)
  const app = createApp({ ...given.options, id, broker: embedded(), store: memory(), clock })
  const result = pipeline(app)
  const { options } = runtimeOf(app)
  const plan = options.plan()
  if (plan.subTopologies.every(({ sources }) => sources.length === 0))
    throw new TidemarkError(
      'BAD_OPTION',
      'createReplay: the pipeline reads no topic; pass one over app.stream(…) to app.run',
    )
  const known = new Map([...recording.topics, ...Object.entries(topics)])
  const widest = Math.max(1, ...known.values())
  for (const { sinks } of plan.subTopologies) for (const topic of sinks) if (!known.has(topic)) known.set(topic, widest)
  const report = (error: TidemarkError) => player.report(error)
  const run = new ReplayRun({
    recording,
    clock,
    tasks: new ReplayTasks({
      app: options,
      plan,
      clock,
      topics: known,
      recorded: new Set(recording.topics.keys()),
      report,
    }),
    globals: new ReplayGlobals(recording, options.globals, report),
    checkpoints: new ReplayCheckpoints(
      wholeNumber(given.maxCheckpointBytes ?? 128 << 20, 'createReplay: maxCheckpointBytes', 1),
    ),
    watermarkMs: options.watermarkMs,
  })
  const states = plan.subTopologies.flatMap((sub) => [...sub.states.keys()])
  const player: Player = new Player(run, given.clock ?? systemClock)
  return {
    app,
    result,
    recording,
    get index() {
      return run.index
    },
    get position() {
      return player.position$.value
    },
    position$: player.position$.asObservable(),
    get state() {
      return player.state$.value
    },
    state$: player.state$.asObservable(),
    get speed() {
      return player.speed
    },
    set speed(speed) {
      player.speed = speed
    },
    states,
    stateEntries(name) {
      if (!states.includes(name))
        throw new TidemarkError('BAD_OPTION', `there is no state ${name}; there are ${states.join(', ')}`)
      return [...run.entries()]
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .flatMap(([task, entries]) => [...stateEntries(task, name, entries)].sort(byKey))
    },
    outputs: (topic) => {
      const all = run.outputs.between(0, run.outputs.countAt(player.position$.value.index))
      return topic === undefined ? all : all.filter((output) => output.topic === topic)
    },
    outputs$: player.outputs$.asObservable(),
    errors$: player.errors$.asObservable(),
    play: () => player.play(),
    pause: () => player.pause(),
    step: async (records = 1) => player.step(records),
    seek: async (place) => player.seek(recording.indexOf(place)),
    get checkpoints() {
      const { count, bytes } = run.checkpoints
      return { count, bytes }
    },
    close: () => player.close(),
  }
}

const byKey = (a: StateEntry, b: StateEntry) => compareKeys(a.key, b.key) || (a.start ?? 0) - (b.start ?? 0)
