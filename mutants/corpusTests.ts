import { memory } from 'tidemark'
import type { TraceFile } from '../conformance/format.js'
import { runFile } from '../conformance/runFile.js'
import { describe, test } from './harness.js'

/** The corpus as tests: a case a test, of its outputs, drops and stores together. */
export function corpusTests(files: readonly TraceFile[]): void {
  for (const file of files) {
    describe(file.name, () => {
      for (const trace of file.cases) {
        test(`seed ${trace.seed} ${trace.mode}`, async () => {
          const { cases } = await runFile({ ...file, cases: [trace] }, { store: memory })
          const [report] = cases
          if (!report?.isPassed) throw new Error('other outputs')
          if (report.dropped.firstStep !== undefined) throw new Error('other drops')
          if (!report.stores.every(({ isEqual }) => isEqual)) throw new Error('other stores')
        })
      }
    })
  }
}
