import { readdir, stat, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import { jest } from '@jest/globals'
import type { Page } from 'playwright-core'
import { storeConformance } from '../../lib/testing/storeConformance.js'
import { type BundledPage, bundlePage, type Chromium, describeInChromium, openChromium } from '../chromium.js'
import type { IdbPage } from './idbPage.js'

type PageGlobals = typeof globalThis & { store: IdbPage }

describeInChromium('idb in Chromium', () => {
  jest.setTimeout(60_000)
  let served: BundledPage
  let browser: Chromium

  beforeAll(async () => {
    served = await bundlePage(join(import.meta.dirname, 'idbPage.ts'))
    browser = await openChromium()
    await browser.page.goto(served.url)
  })
  afterAll(async () => {
    await browser?.close()
    await served?.close()
  })

  const run = (page: Page, method: 'open' | 'close') =>
    page.evaluate((m) => (globalThis as PageGlobals).store[m](), method)
  const commit = (page: Page, n: number) => page.evaluate((m) => (globalThis as PageGlobals).store.commit(m), n)
  const read = (page: Page) => page.evaluate(() => (globalThis as PageGlobals).store.read())
  const newTab = async () => {
    const tab = await browser.context.newPage()
    await tab.goto(served.url)
    return tab
  }

  describe('keeps the contract of a store', () => {
    for (const { name } of storeConformance({ fresh: () => Promise.reject() })) {
      test(name, () => browser.page.evaluate((law) => (globalThis as PageGlobals).store.runLaw(law), name))
    }
  })

  test('one tab has the database at a time, until it closes the store, reloads or is closed', async () => {
    const [first, second] = [await newTab(), await newTab()]
    await run(first, 'open')
    await expect(run(second, 'open')).rejects.toThrow('STORE_LOCKED: idb tidemark: another tab or worker has it')
    await run(first, 'close')
    await run(second, 'open')
    await expect(run(first, 'open')).rejects.toThrow('STORE_LOCKED')
    await second.reload()
    await run(first, 'open')
    await commit(first, 7)
    await first.reload()
    await run(first, 'open')
    expect(await read(first)).toEqual([7])
    await first.close()
    await run(second, 'open')
    expect(await read(second)).toEqual([7])
    await second.close()
  })

  test('a tab whose close fails has the database no more', async () => {
    const [first, second] = [await newTab(), await newTab()]
    await run(first, 'open')
    expect(await first.evaluate(() => (globalThis as PageGlobals).store.closeBroken())).toContain(
      'STORE_FAILED: idb tidemark: close failed: The database connection is closing.',
    )
    await run(second, 'open')
    await second.close()
    await first.close()
  })

  test('a full disk fails the commit, tears nothing, and once there is room later commits work', async () => {
    const full = await openChromium()
    const devtools = await full.context.newCDPSession(full.page)
    await devtools.send('Storage.overrideQuotaForOrigin', {
      origin: new URL(served.url).origin,
      quotaSize: 20 * 1024 * 1024,
    })
    await full.page.goto(served.url)
    await run(full.page, 'open')
    const { committed, error } = await full.page.evaluate(() => (globalThis as PageGlobals).store.fill())
    expect(error).toContain('STORE_FULL: idb tidemark: the browser has no more room')
    expect(committed).toBeGreaterThan(5)
    expect(await read(full.page)).toEqual([committed])
    await full.kill()

    const roomy = await openChromium({ profile: full.profile })
    await roomy.page.goto(served.url)
    await run(roomy.page, 'open')
    expect(await read(roomy.page)).toEqual([committed])
    await commit(roomy.page, 255)
    expect(await read(roomy.page)).toEqual([255])
    await roomy.close()
  })

  test('a browser killed in mid-write leaves the last whole commit', async () => {
    for (let round = 0; round < 5; round++) {
      const victim = await openChromium()
      await victim.page.goto(served.url)
      await run(victim.page, 'open')
      const last = await commitUntilKilled(victim, 12 + round * 7)
      const survivor = await openChromium({ profile: victim.profile })
      await survivor.page.goto(served.url)
      await run(survivor.page, 'open')
      await expectWhole(survivor.page, last)
      await survivor.close()
    }
  })

  // A kill may leave half a write at the end of Chromium's log (LevelDB's), which it reads as the end, and goes on
  // writing behind it. When it reads the log again it finds the half in the middle: it deletes all databases of the
  // origin, and opens the next as if there had never been one.
  test('a database that Chromium finds damaged and deletes is not taken for a new one, once', async () => {
    const first = await openChromium()
    await first.page.goto(served.url)
    await run(first.page, 'open')
    for (const n of [1, 2, 3]) await commit(first.page, n)
    await first.kill()
    const databases = join(first.profile, 'Default', 'IndexedDB')
    const [log] = (await readdir(databases, { recursive: true })).filter((file) => file.endsWith('.log'))
    const path = join(databases, log as string)
    await truncate(path, (await stat(path)).size - 100)

    const second = await openChromium({ profile: first.profile })
    await second.page.goto(served.url)
    await run(second.page, 'open')
    await commit(second.page, 4)
    await second.kill()

    const third = await openChromium({ profile: first.profile })
    await third.page.goto(served.url)
    await expect(run(third.page, 'open')).rejects.toThrow(/STORE_FAILED: .*found its database damaged and deleted it/)
    await third.page.reload()
    await run(third.page, 'open')
    expect(await read(third.page)).toEqual([])
    await commit(third.page, 5)
    expect(await read(third.page)).toEqual([5])
    await third.close()
  })

  /** @returns the last commit that the page is known to have made */
  async function commitUntilKilled({ page, kill }: Chromium, enough: number): Promise<number> {
    let last = 0
    await new Promise<void>((resolve) => {
      page.on('console', (message) => {
        const [, committed] = /^committed (\d+)$/.exec(message.text()) ?? []
        last = Math.max(last, Number(committed ?? 0))
        if (last >= enough) resolve()
      })
      // It goes on until the kill, which breaks the connection.
      page.evaluate(() => (globalThis as PageGlobals).store.commitOn(1)).catch(() => {})
    })
    await kill()
    return last
  }

  /** One value in all scopes, and not older than what was known to be committed. Values count modulo 256. */
  async function expectWhole(page: Page, known: number): Promise<void> {
    const found = await read(page)
    expect(found).toHaveLength(1)
    const ahead = ((found[0] as number) - (known % 256) + 256) % 256
    expect(ahead).toBeLessThan(50)
  }
})
