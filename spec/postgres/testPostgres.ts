import { afterAll, beforeAll, describe } from '@jest/globals'
import { findPostgres, type RunningPostgres, startPostgres } from './launcher.js'

/**
 * A `describe` that gets a PostgreSQL of its own, or is skipped with all its tests where none is installed: loudly, and in CI it fails.
 * The server runs once the tests do.
 */
export function describePostgres(name: string, body: (server: () => RunningPostgres) => void): void {
  const bin = findPostgres()
  if (bin === undefined) {
    if (process.env.CI) throw new Error('no PostgreSQL: in CI the specs that need one must run')
    process.stderr.write(`\n!!! SKIPPED: ${name}, since no PostgreSQL is installed here\n\n`)
    describe.skip(name, () => body(() => undefined as never))
    return
  }
  let running: RunningPostgres
  describe(name, () => {
    beforeAll(async () => {
      running = await startPostgres(bin)
    }, 60_000)
    body(() => running)
    // Hooks run in this order: the tests' own, which close their connections, come before.
    afterAll(() => running?.stop())
  })
}
