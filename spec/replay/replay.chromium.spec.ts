import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals'
import { writeRecording } from '../../lib/replay/index.js'
import { bytesOf } from '../bytesOf.js'
import { type BundledPage, bundlePage, type Chromium, describeInChromium, openChromium } from '../chromium.js'
import { until } from '../until.js'
import { clicks, plain, RECORDS, TOPICS } from './clicks.js'
import type { ReplayPage } from './replayPage.js'

type PageGlobals = typeof globalThis & { replay: ReplayPage }

describeInChromium('a recording in Chromium', () => {
  jest.setTimeout(90_000)
  const records = clicks()
  const folder = mkdtempSync(join(tmpdir(), 'tidemark-recording-'))
  const path = join(folder, 'clicks.jsonl.gz')
  let file: Uint8Array
  let served: BundledPage
  let browser: Chromium

  beforeAll(async () => {
    file = await bytesOf(writeRecording(TOPICS, records))
    writeFileSync(path, file)
    served = await bundlePage(join(import.meta.dirname, 'replayPage.ts'))
    browser = await openChromium()
  })
  afterAll(async () => {
    await browser?.close()
    await served?.close()
    rmSync(folder, { recursive: true, force: true })
  })

  const status = () => browser.page.evaluate(() => (globalThis as PageGlobals).replay.status())
  const seek = (index: number) => browser.page.evaluate((to) => (globalThis as PageGlobals).replay.seek(to), index)
  const live = (count: number) => browser.page.evaluate((n) => (globalThis as PageGlobals).replay.live(n), count)

  async function opened(): Promise<void> {
    const found = await until('it is open', async () => {
      const { size, problem } = await status()
      return size ?? problem
    })
    expect(found).toBe(RECORDS)
  }

  async function dropFile(): Promise<void> {
    const transfer = await browser.page.evaluateHandle((text) => {
      const bytes = Uint8Array.from(atob(text), (char) => char.charCodeAt(0))
      const dropped = new DataTransfer()
      dropped.items.add(new File([bytes], 'clicks.jsonl.gz'))
      return dropped
    }, Buffer.from(file).toString('base64'))
    await browser.page.dispatchEvent('#drop', 'drop', { dataTransfer: transfer })
  }

  test('dropped on the page, it is replayed there, back and forth: windows are those of a plain loop', async () => {
    await browser.page.goto(served.url)
    await dropFile()
    await opened()
    for (const index of [1_700, 40, RECORDS, 1_234, 1_233, 2_900, 0, 777]) {
      expect(await seek(index)).toEqual({ isThere: true, index, ...plain(records.slice(0, index)) })
    }
    const played = await browser.page.evaluate(() => (globalThis as PageGlobals).replay.play(500))
    expect(played?.index).toBeGreaterThanOrEqual(1_277)
    expect(played).toEqual({ index: played?.index, ...plain(records.slice(0, played?.index)) })
  })

  test('a file that is none is told of', async () => {
    await browser.page.goto(served.url)
    await browser.page.setInputFiles('input', { name: 'x', mimeType: 'text/plain', buffer: Buffer.from('hello') })
    expect(await until('it is told', async () => (await status()).problem)).toMatch(
      /^TidemarkError: BAD_RECORDING: line 1/,
    )
  })

  test('an app in the tab that reads it is reloaded in mid-window, twice, and goes on from its checkpoint', async () => {
    await browser.page.goto(served.url)
    let fed = 0
    for (const count of [601, 803, RECORDS - 1_404]) {
      await browser.page.setInputFiles('input', path)
      await opened()
      const { before, opened: atStart } = await live(count)
      expect(before).toBe(fed)
      // Windows are open when it begins again: with less of it than there is in the log, if that wasn't committed.
      expect(atStart.length > 0).toBe(fed > 0)
      fed += count
      const expected = plain(records.slice(0, fed))
      await until(
        `it has handled ${fed}`,
        async () => {
          const seen = await browser.page.evaluate(() => (globalThis as PageGlobals).replay.liveSeen())
          return JSON.stringify(seen) === JSON.stringify(expected)
        },
        20_000,
      )
      await browser.page.reload()
    }
  })
})
