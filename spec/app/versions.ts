import type { App } from 'tidemark'
import { embedded, memory } from 'tidemark'
import { type TestApp, type TestAppOptions, testApp, testClock } from 'tidemark/testing'

/** An app in a test that another version can take over from, on the same broker and store. */
export interface Versions {
  readonly t: TestApp<unknown>
  /** Crashes the running version and starts another one, with leave to do so much to what is stored. */
  become(build: (app: App) => unknown, upgrade?: { startEmpty?: string[]; drop?: string[] }): Promise<void>
}

export async function versions(build: (app: App) => unknown, options: TestAppOptions): Promise<Versions> {
  let present = build
  const upgrade: { startEmpty: string[]; drop: string[] } = { startEmpty: [], drop: [] }
  const t = await testApp((app) => present(app), { ...options, upgrade })
  return {
    t,
    async become(next, { startEmpty = [], drop = [] } = {}) {
      await t.crash()
      present = next
      Object.assign(upgrade, { startEmpty, drop })
      await t.restart()
    },
  }
}

/** Options by which all state is in changelogs, and each restart finds nothing else. */
export function inChangelogs(): Partial<TestAppOptions> {
  const clock = testClock()
  return { clock, broker: embedded({ clock }), store: memory(), changelog: true }
}
