import 'fake-indexeddb/auto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from '@jest/globals'
import type { StoreAdapter } from 'tidemark'
import { idb } from 'tidemark/idb'
import { level } from 'tidemark/level'
import { expectSameUnderFaults } from 'tidemark/testing'
import { APPS, INPUT, TOPICS } from './apps.js'

const folder = mkdtempSync(join(tmpdir(), 'tidemark-faults-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

let stores = 0

test.each<[string, () => StoreAdapter]>([
  ['level', () => level(join(folder, `${++stores}`), { exclusive: true })],
  ['idb', () => idb(`faults-${++stores}`)],
])('%s holds a whole app over crashes', async (_name, store) => {
  const pipeline = APPS['windows behind an exchange, on close, late records set aside'] as never
  const report = await expectSameUnderFaults(pipeline, INPUT, { topics: TOPICS, compare: 'perKey', store, maxRuns: 20 })
  expect(report.tried).toBe(20)
})
