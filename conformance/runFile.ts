import { type CaseReport, compare } from './compare.js'
import type { TraceFile } from './format.js'
import { type RunOptions, runCase } from './run.js'

/** What became of one file; plain data. */
export interface FileReport {
  readonly name: string
  /** Told apart: see the file's `quirk`. */
  readonly isQuirk: boolean
  readonly steps: number
  readonly cases: readonly CaseReport[]
}

/**
 * Runs all cases of a file.
 *
 * @param options.atOnce so many cases run side by side, each in an app of its own: where a store's I/O takes its time. Default 1
 */
export async function runFile(
  file: TraceFile,
  options: RunOptions & { readonly atOnce?: number },
): Promise<FileReport> {
  const cases: CaseReport[] = []
  const { atOnce = 1 } = options
  for (let at = 0; at < file.cases.length; at += atOnce) {
    const some = file.cases.slice(at, at + atOnce)
    cases.push(...(await Promise.all(some.map(async (trace) => compare(trace, await runCase(file, trace, options))))))
  }
  return {
    name: file.name,
    isQuirk: file.quirk !== undefined,
    steps: file.cases.reduce((sum, { steps }) => sum + steps.length, 0),
    cases,
  }
}
