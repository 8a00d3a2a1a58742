import { idb } from 'tidemark/idb'
import type { TraceFile } from './format.js'
import { type FileReport, runFile } from './runFile.js'

/* The page of `--chromium`: the core, the interpreter and the browser's own IndexedDB. */
let databases = 0

const page = {
  run: (file: string, restartEvery: number | undefined): Promise<FileReport> =>
    runFile(JSON.parse(file) as TraceFile, { store: () => idb(`conformance ${databases++}`), restartEvery, atOnce: 8 }),
}

export type ConformancePage = typeof page
Object.assign(globalThis, { conformance: page })
