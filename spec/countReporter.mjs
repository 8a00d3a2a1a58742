import { writeSync } from 'node:fs'
import { relative } from 'node:path'

/**
 * Prints `N passed, N failed` alone on the last line of the run, whatever else is printed before. A run that is ended from outside says which files
 * it was at: one that spins can't be ended by its own deadline.
 */
export default class CountReporter {
  running = new Set()

  onRunStart() {
    this.end = () => {
      // Not by process.stdout, which jest holds back.
      writeSync(1, `ended from outside while it ran ${[...this.running].join(', ')}\n`)
      process.exit(143)
    }
    process.once('SIGTERM', this.end)
  }

  onTestFileStart({ path }) {
    this.running.add(relative(process.cwd(), path))
  }

  onTestFileResult({ path }) {
    this.running.delete(relative(process.cwd(), path))
  }

  onRunComplete(_contexts, results) {
    process.off('SIGTERM', this.end)
    const { numPassedTests, numFailedTests, numPendingTests, numTodoTests, numRuntimeErrorTestSuites } = results
    // A spec file that doesn't load has no tests to count, and is a failure all the same.
    const failed = numFailedTests + numRuntimeErrorTestSuites
    const skipped = numPendingTests + numTodoTests
    const line = `${numPassedTests} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}\n`
    process.once('exit', () => process.stdout.write(line))
  }
}
