import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { jest } from '@jest/globals'
import { embedded } from 'tidemark'
import { level } from 'tidemark/level'
import { type BundledPage, bundlePage, type Chromium, describeInChromium, openChromium } from '../../chromium.js'
import { until } from '../../until.js'
import { expectedLines, Mover, PER_PARTITION } from './mover.js'
import type { MoverPage } from './openCheckpointPage.js'

type PageGlobals = typeof globalThis & { mover: MoverPage }

describeInChromium('a checkpoint file goes from Node to a tab and back', () => {
  jest.setTimeout(90_000)
  let served: BundledPage
  let browser: Chromium
  const folder = mkdtempSync(join(tmpdir(), 'tidemark-mover-'))

  const inNode = (name: string) => {
    const store = level(join(folder, name), { exclusive: true })
    return new Mover(embedded({ store }), store)
  }

  beforeAll(async () => {
    served = await bundlePage(join(import.meta.dirname, 'openCheckpointPage.ts'))
    browser = await openChromium()
    await browser.page.goto(served.url)
  })
  afterAll(async () => {
    await browser?.close()
    await served?.close()
    rmSync(folder, { recursive: true, force: true })
  })

  test('in the midst of its work: all that it writes in the three places is what plain loops make of its input', async () => {
    const { page } = browser
    const lines: string[] = []

    const first = inNode('first')
    await first.createTopics()
    await first.moveIn()
    await first.feed(1_000)
    await until('the first results', async () => (await first.written()) > 300)
    const out = await first.moveOut()
    lines.push(...out.lines)
    await first.close()
    expect(first.errors).toEqual([])

    await page.evaluate((file) => (globalThis as PageGlobals).mover.moveIn('home', file), [...out.file])
    await page.evaluate(() => (globalThis as PageGlobals).mover.feed(1_000))
    await until(
      'results in the tab',
      async () => (await page.evaluate(() => (globalThis as PageGlobals).mover.written())) > 300,
      30_000,
    )
    const back = await page.evaluate(() => (globalThis as PageGlobals).mover.moveOut())
    lines.push(...back.lines)
    expect(await page.evaluate(() => (globalThis as PageGlobals).mover.errors())).toEqual([])
    await page.evaluate(() => (globalThis as PageGlobals).mover.close())

    const last = inNode('last')
    await last.moveIn(new Uint8Array(back.file), { createTopics: true })
    await last.feed(PER_PARTITION + 1)
    const expected = expectedLines()
    await until('the last results', async () => lines.length + (await last.written()) >= expected.length, 30_000)
    lines.push(...(await last.moveOut()).lines)
    await last.close()
    expect(last.errors).toEqual([])
    expect(lines.sort()).toEqual(expected)
  })
})
