import { join } from 'node:path'
import { bundlePage, openChromium } from '../spec/browser.js'
import type { TraceFile } from './format.js'
import type { ConformancePage } from './page.js'
import type { FileReport } from './runFile.js'

type PageGlobals = typeof globalThis & { readonly conformance: ConformancePage }

/** IndexedDB is slow to say that a commit is safe, and says it to many at once. */
const FILES_AT_ONCE = 10

/** Runs traces in a page of headless Chromium, on IndexedDB. */
export async function runInChromium(
  files: readonly TraceFile[],
  restartEvery: number | undefined,
): Promise<FileReport[]> {
  const served = await bundlePage(join(import.meta.dirname, 'page.ts'))
  const browser = await openChromium()
  const reports: FileReport[] = []
  const rest = [...files.entries()]
  const work = async () => {
    for (let next = rest.shift(); next !== undefined; next = rest.shift()) {
      const [index, file] = next
      // As text: the file's type is too deep for the page's.
      const given = [JSON.stringify(file), restartEvery] as const
      reports[index] = await browser.page.evaluate(
        ([text, every]) => (globalThis as PageGlobals).conformance.run(text, every),
        given,
      )
    }
  }
  try {
    await browser.page.goto(served.url)
    await browser.page.waitForFunction(() => 'conformance' in globalThis)
    await Promise.all(Array.from({ length: FILES_AT_ONCE }, work))
    return reports
  } finally {
    await browser.close()
    await served.close()
  }
}
