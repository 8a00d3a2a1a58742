import type { ExchangeWords } from '../app/exchangeWords.js'
import type { Reader } from '../app/taskReaders.js'
import type { TaskScope } from '../app/taskScope.js'
import type { SavedClock } from './recordedClock.js'

/** The entries of tasks' checkpoints. */
export type TaskEntries = ReadonlyMap<string, Iterable<readonly [key: string, value: Uint8Array]>>

/** What a source knows of its time besides what a checkpoint says. */
interface SourceFrame {
  readonly cap: number
  readonly isSilent: boolean
  /** When its lanes had their last record, by lane. */
  readonly activeAt: ReadonlyMap<string | number, number>
}

/**
 * What tasks know besides their checkpoints, so that they go on exactly as they would have: an app that restarts may tell a time once more, or wait for an idle partition a
 * little longer, and does no harm by it; a replay would show something else.
 */
export interface Frame {
  readonly clock: SavedClock
  /** Offset of the next record that is written, by topic and partition. */
  readonly ends: ReadonlyMap<string, readonly number[]>
  readonly sources: readonly (readonly SourceFrame[])[]
  readonly words: readonly ReturnType<ExchangeWords['save']>[]
}

export const saveFrame = (tasks: readonly TaskScope[], clock: SavedClock, ends: Frame['ends']): Frame => ({
  clock,
  ends,
  sources: tasks.map(({ readers }) =>
    readers.all.map(({ time: { cap, isSilent, lanes } }) => ({
      cap,
      isSilent,
      activeAt: new Map([...lanes].map(([id, { activeAt }]) => [id, activeAt])),
    })),
  ),
  words: tasks.map(({ output }) => output.words.save()),
})

/** To the same tasks, opened anew. */
export function restoreFrame(tasks: readonly TaskScope[], { sources, words }: Frame): void {
  for (const [index, { readers, output }] of tasks.entries()) {
    output.words.restore(words[index] as Frame['words'][number])
    for (const [number, { cap, isSilent, activeAt }] of (sources[index] as readonly SourceFrame[]).entries()) {
      const { time } = readers.all[number] as Reader
      time.cap = cap
      time.isSilent = isSilent
      for (const [id, at] of activeAt) {
        const lane = time.lanes.get(id)
        if (lane !== undefined) lane.activeAt = at
      }
    }
  }
}
