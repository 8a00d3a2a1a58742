import { openRecording, type Recording } from '../lib/replay/index.js'
import { replayAll } from './replayed.js'

/* The page of the replay's bench. */
let recording: Recording

const page = {
  async open(): Promise<number> {
    const startedAt = performance.now()
    const [file] = (document.querySelector('input') as HTMLInputElement).files as FileList
    recording = await openRecording(file as File)
    return (performance.now() - startedAt) / 1_000
  },
  replay: () => replayAll(recording),
}

export type ReplayPage = typeof page
Object.assign(globalThis, { replay: page })
document.body.innerHTML = '<input type="file">'
