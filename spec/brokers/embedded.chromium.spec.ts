import { join } from 'node:path'
import { jest } from '@jest/globals'
import { type BundledPage, bundlePage, type Chromium, describeInChromium, openChromium } from '../chromium.js'
import type { EmbeddedPage } from './embeddedPage.js'

describeInChromium('embedded in Chromium', () => {
  jest.setTimeout(60_000)
  let served: BundledPage
  let browser: Chromium

  beforeAll(async () => {
    served = await bundlePage(join(import.meta.dirname, 'embeddedPage.ts'))
    browser = await openChromium()
    await browser.page.goto(served.url)
  })
  afterAll(async () => {
    await browser?.close()
    await served?.close()
  })

  test.each(['plain', 'stored'] as const)('keeps the contract of a broker: %s', async (kind) => {
    type PageGlobals = typeof globalThis & { broker: EmbeddedPage }
    expect(await browser.page.evaluate((which) => (globalThis as PageGlobals).broker.runLaws(which), kind)).toEqual([])
  })
})
