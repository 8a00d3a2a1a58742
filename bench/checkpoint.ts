import { existsSync, readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { level } from '../lib/stores/level.js'
import { memory } from '../lib/stores/memory.js'
import { bundlePage, isInstalled, openChromium } from '../spec/browser.js'
import type { CheckpointPage } from './checkpointPage.js'
import { type CheckpointCost, checkpointRounds } from './checkpointRounds.js'

const KEYS = [100, 100_000]
const ROUNDS = 300
/** With 100,000 keys IndexedDB's log is written anew about every two thousandth time. */
const ROUNDS_IN_TAB = 6_000

const IO = '/proc/self/io'
/** All that this process writes, as Linux counts it; only LevelDB writes meanwhile. */
const writtenByProcess = () => (existsSync(IO) ? Number(/wchar: (\d+)/.exec(readFileSync(IO, 'utf8'))?.[1]) : undefined)
const NONE = { written: () => undefined, compactions: () => 0 }

/** What a checkpoint of 100 changes costs, by the store and the number of keys that are kept. */
export async function benchCheckpoint(): Promise<void> {
  console.log('checkpoint: 100 changes, by store and number of keys kept')
  const folder = await mkdtemp(join(tmpdir(), 'tidemark-bench-'))
  for (const keys of KEYS) print('memory', keys, await checkpointRounds(memory(), keys, ROUNDS, NONE))
  for (const keys of KEYS) {
    const meter = { ...NONE, written: writtenByProcess }
    print('level', keys, await checkpointRounds(level(join(folder, `${keys}`)), keys, ROUNDS, meter))
  }
  await rm(folder, { recursive: true, force: true })
  if (isInstalled) await inTab()
  else console.log('  idb     left out: no Chromium')
}

async function inTab(): Promise<void> {
  const served = await bundlePage(join(import.meta.dirname, 'checkpointPage.ts'))
  const { page, close } = await openChromium()
  type PageGlobals = typeof globalThis & { bench: CheckpointPage }
  try {
    await page.goto(served.url)
    for (const keys of KEYS) {
      const cost = await page.evaluate(([count, rounds]) => (globalThis as PageGlobals).bench.run(count, rounds), [
        keys,
        ROUNDS_IN_TAB,
      ] as const)
      print('idb', keys, cost)
    }
  } finally {
    await close()
    await served.close()
  }
}

function print(store: string, keys: number, cost: CheckpointCost): void {
  const { entries, bytes, writtenBytes, medianMs, longestMs, compactions } = cost
  const written = writtenBytes === undefined ? '' : `, ${writtenBytes} written`
  const anew = compactions === 0 ? '' : `, written anew ${compactions} times`
  console.log(
    `  ${store.padEnd(6)} ${String(keys).padStart(7)} keys: ${entries} entries, ${bytes} bytes handed over${written}; ${medianMs.toFixed(2)} ms, longest ${longestMs.toFixed(1)} ms${anew}`,
  )
}
