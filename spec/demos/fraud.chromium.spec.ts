import { join } from 'node:path'
import { jest } from '@jest/globals'
import { type BundledPage, bundlePage, type Chromium, describeInChromium, openChromium } from '../chromium.js'
import type { PlainOutcome } from './demoCase.js'
import { fraudCase } from './fraudCase.js'
import type { FraudPage } from './fraudPage.js'

type PageGlobals = typeof globalThis & { fraud: FraudPage }

describeInChromium('the fraud demo in Chromium', () => {
  jest.setTimeout(90_000)
  let served: BundledPage
  let browser: Chromium

  beforeAll(async () => {
    served = await bundlePage(join(import.meta.dirname, 'fraudPage.ts'))
    browser = await openChromium()
  })
  afterAll(async () => {
    await browser?.close()
    await served?.close()
  })

  const open = (database: string) =>
    browser.page.evaluate((name) => (globalThis as PageGlobals).fraud.open(name), database)
  const outcome = () => browser.page.evaluate(() => (globalThis as PageGlobals).fraud.outcome())
  const raised = (found: PlainOutcome) => (found.alerts ?? []).flatMap(([, list]) => list).length

  async function expectAll(): Promise<void> {
    const wanted = fraudCase.expected()
    const deadline = Date.now() + 25_000
    let found = await outcome()
    while (JSON.stringify(found) !== JSON.stringify(wanted) && Date.now() < deadline) found = await outcome()
    expect(found).toEqual(wanted)
    expect(await browser.page.evaluate(() => (globalThis as PageGlobals).fraud.spend())).toEqual(wanted.spend)
    await browser.page.evaluate(() => (globalThis as PageGlobals).fraud.close())
  }

  test('alerts, volumes, late transactions and the spend table are those of the plain loop', async () => {
    await browser.page.goto(served.url)
    await open('whole')
    await browser.page.evaluate((count) => (globalThis as PageGlobals).fraud.feed(count), fraudCase.part.count)
    await expectAll()
  })

  test('they are the same when the page is reloaded in mid-stream, twice', async () => {
    await browser.page.goto(served.url)
    for (let life = 1; life <= 2; life++) {
      await open('reloaded')
      const before = raised(await outcome())
      browser.page
        .evaluate((count) => (globalThis as PageGlobals).fraud.feed(count, 800), fraudCase.part.count)
        .catch(() => {})
      while (raised(await outcome()) < before + 15);
      await browser.page.reload()
    }
    await open('reloaded')
    const before = raised(await outcome())
    expect(before).toBeGreaterThan(0)
    expect(before).toBeLessThan(raised(fraudCase.expected()))
    await browser.page.evaluate((count) => (globalThis as PageGlobals).fraud.feed(count), fraudCase.part.count)
    await expectAll()
  })
})
