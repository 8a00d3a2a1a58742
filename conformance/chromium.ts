import { join } from 'node:path'
import { bundlePage, openChromium } from '../spec/browser.js'
import type { TraceFile } from './format.js'
import type { ConformancePage } from './page.js'
import type { FileReport } from './runFile.js'

type PageGlobals = typeof globalThis & { readonly conformance: ConformancePage }

/** Runs traces in a page of headless Chromium, on IndexedDB. */
export async function* runInChromium(
  files: readonly TraceFile[],
  restartEvery: number | undefined,
): AsyncGenerator<FileReport> {
  const served = await bundlePage(join(import.meta.dirname, 'page.ts'))
  const browser = await openChromium()
  try {
    await browser.page.goto(served.url)
    await browser.page.waitForFunction(() => 'conformance' in globalThis)
    for (const file of files) {
      yield await browser.page.evaluate(([trace, every]) => (globalThis as PageGlobals).conformance.run(trace, every), [
        file,
        restartEvery,
      ] as const)
    }
  } finally {
    await browser.close()
    await served.close()
  }
}
