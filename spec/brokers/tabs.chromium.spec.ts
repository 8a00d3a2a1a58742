import { join } from 'node:path'
import { jest } from '@jest/globals'
import type { Page } from 'playwright-core'
import { type BundledPage, bundlePage, type Chromium, describeInChromium, openChromium } from '../chromium.js'
import { until } from '../until.js'
import { CLICKS, plainLoop, SENDERS } from './clicks.js'
import type { TabsPage } from './tabsPage.js'

type Methods = { [M in keyof TabsPage as TabsPage[M] extends (...args: any[]) => unknown ? M : never]: TabsPage[M] }
type PageGlobals = typeof globalThis & { shop: TabsPage }

/** A page has left the back/forward cache for good while it was wanted. */
class NotKept extends Error {}

describeInChromium('tabs in Chromium', () => {
  jest.setTimeout(120_000)
  let served: BundledPage
  let browser: Chromium

  beforeAll(async () => {
    served = await bundlePage(join(import.meta.dirname, 'tabsPage.ts'))
  })
  afterAll(async () => {
    await served?.close()
  })
  beforeEach(async () => {
    browser = await openChromium()
  })
  afterEach(async () => {
    await browser?.close()
  })

  const shop = <M extends keyof Methods>(tab: Page, method: M, ...args: Parameters<Methods[M]>) =>
    tab.evaluate(([m, given]) => (globalThis as PageGlobals).shop[m as 'state'](...(given as [])), [
      method,
      args,
    ] as const) as Promise<Awaited<ReturnType<Methods[M]>>>
  const newTab = async (role?: 'host' | 'connect') => {
    const tab = await browser.context.newPage()
    await tab.goto(served.url)
    if (role) await shop(tab, role)
    return tab
  }
  const crash = async (tab: Page) => {
    const devtools = await browser.context.newCDPSession(tab)
    const crashed = new Promise<void>((resolve) => tab.once('crash', () => resolve()))
    // Nobody is left to answer it.
    devtools.send('Page.crash').catch(() => {})
    await crashed
  }
  /** Into the back/forward cache. */
  const putAside = async (tab: Page) => {
    await tab.evaluate(() => Object.assign(globalThis, { wasThere: true }))
    await tab.goto('about:blank')
  }
  /** Out of it. */
  const back = async (tab: Page) => {
    await tab.evaluate(() => history.back()).catch(() => {})
    await until('the page to be back', () => tab.url() === served.url)
    if (!(await tab.evaluate(() => 'wasThere' in globalThis).catch(() => false))) throw new NotKept()
  }
  /** The browser is free not to keep a page: then there is nothing to look at, and it is tried again. */
  const testOfCache = (name: string, run: () => Promise<void>) =>
    test(name, async () => {
      for (let tries = 1; ; tries++) {
        try {
          return await run()
        } catch (error) {
          if (!(error instanceof NotKept) || tries === 3) throw error
          await browser.close()
          browser = await openChromium()
        }
      }
    })
  const runs = (tab: Page) => until('the app to run', async () => (await shop(tab, 'state')) === 'running', 30_000)
  const handled = (tab: Page, atLeast: number) =>
    until(`${atLeast} clicks to be handled`, async () => (await shop(tab, 'progress')).handled >= atLeast, 30_000)
  const expectAll = async (tab: Page) => {
    await handled(tab, SENDERS * CLICKS)
    expect(await shop(tab, 'outcome')).toEqual(plainLoop())
  }

  /** Ways for a tab to let the next one have the shop. */
  const endings: Record<string, (tab: Page) => Promise<unknown>> = {
    close: (tab) => tab.close(),
    crash,
    reload: (tab) => tab.reload(),
    stop: (tab) => shop(tab, 'stop'),
  }

  test.each([
    ['a worker', false],
    ['a shared worker', true],
  ])('%s has broker and app, and tabs write and read', async (_name, isShared) => {
    const tab = await newTab()
    await shop(tab, 'startWorker', isShared)
    await shop(tab, 'connect')
    const other = await newTab('connect')
    await Promise.all([shop(tab, 'send', 0, CLICKS), shop(other, 'send', 1, CLICKS)])
    await expectAll(other)
  })

  test('a worker that ends with its page is followed by the tab that stands by', async () => {
    const [page, next] = [await newTab(), await newTab()]
    await shop(page, 'startWorker', false)
    await shop(page, 'connect')
    await shop(page, 'send', 0, 500)
    await shop(next, 'host')
    expect(await shop(next, 'state')).toBe('standing by')
    await page.goto('about:blank')
    await runs(next)
    await Promise.all([0, 1].map((sender) => shop(next, 'send', sender, CLICKS)))
    await expectAll(next)
  })

  test('the contract of a broker holds for who doesn’t host it', async () => {
    const tab = await newTab()
    await shop(tab, 'startWorker', false)
    expect(await shop(tab, 'runLaws')).toEqual([])
  })

  test('three tabs take over from one another, in all ways, while two others go on writing', async () => {
    let tabs = [await newTab('host')]
    await runs(tabs[0] as Page)
    const senders = [await newTab('connect'), await newTab('connect')] as const
    tabs.push(await newTab('host'), await newTab('host'))
    const sending = Promise.all(senders.map((tab, sender) => shop(tab, 'send', sender, CLICKS, 5)))
    const order = ['crash', 'close', 'reload', 'stop', 'reload', 'crash', 'close']
    for (const [index, ending] of order.entries()) {
      const [owner, next, third] = tabs as [Page, Page, Page]
      await handled(next, 60 + index * 140 + ((index * 7_919) % 97))
      expect([await shop(next, 'state'), await shop(third, 'state')]).toEqual(['standing by', 'standing by'])
      await endings[ending]?.(owner)
      await runs(next)
      expect(await shop(third, 'state')).toBe('standing by')
      tabs = [next, third, await newTab('host')]
    }
    await sending
    await expectAll(senders[0])
    expect((await shop(tabs[0] as Page, 'told')).errors).toEqual([])
  })

  test('a tab that is reloaded in mid-window, again and again, goes on where it was', async () => {
    const tab = await newTab('host')
    for (let life = 1; life <= 6; life++) {
      await runs(tab)
      for (const sender of [0, 1]) void shop(tab, 'send', sender, CLICKS, 2).catch(() => {})
      await handled(tab, life * 150 + ((life * 7_919) % 89))
      await tab.reload()
      await shop(tab, 'host')
    }
    await Promise.all([0, 1].map((sender) => shop(tab, 'send', sender, CLICKS)))
    await expectAll(tab)
  })

  test('a browser that is killed goes on where it was, with the tabs that it is given next', async () => {
    for (let life = 1; life <= 3; life++) {
      const [owner, sender] = [await newTab('host'), await newTab('connect')]
      await runs(owner)
      for (const each of [0, 1]) void shop(sender, 'send', each, CLICKS, 2).catch(() => {})
      await handled(sender, life * 300)
      await browser.kill()
      browser = await openChromium({ profile: browser.profile })
    }
    const [owner, sender] = [await newTab('host'), await newTab('connect')]
    await runs(owner)
    await Promise.all([0, 1].map((each) => shop(sender, 'send', each, CLICKS)))
    await expectAll(sender)
  })

  test('an app is stopped while it stands by, and the next in the queue follows', async () => {
    const [first, second, third] = [await newTab('host'), await newTab('host'), await newTab('host')]
    await runs(first)
    expect(await shop(second, 'state')).toBe('standing by')
    await shop(second, 'stop')
    expect(await shop(second, 'state')).toBe('stopped')
    await shop(first, 'stop')
    await runs(third)
    expect(await shop(third, 'progress')).toEqual({ sent: 0, handled: 0 })
    for (const tab of [first, second, third]) expect(await shop(tab, 'told')).toMatchObject({ errors: [] })
  })

  const shows = (tab: Page, ...wanted: [string, number][]) =>
    until(
      `the screen to show ${JSON.stringify(wanted)}`,
      async () => JSON.stringify((await shop(tab, 'told')).shown) === JSON.stringify(wanted),
      20_000,
    )

  test('an app in a tab that doesn’t host outlives the host, and joins its group again at the next one', async () => {
    const [first, screen, second] = [await newTab('host'), await newTab('connect'), await newTab('host')]
    await runs(first)
    await shop(screen, 'watch')
    await shop(screen, 'send', 0, 100)
    await shows(screen, ['0', 100])
    await first.close()
    await runs(second)
    await shop(screen, 'send', 1, 70)
    await shows(screen, ['0', 100], ['1', 70])
    const { errors } = await shop(screen, 'told')
    expect(errors.length).toBeGreaterThan(0)
    expect(errors.filter((error) => !/^(BROKER_UNAVAILABLE|FENCED)/.test(error))).toEqual([])
  })

  test('an app in a tab that doesn’t host is stopped while no tab does', async () => {
    const [owner, screen] = [await newTab('host'), await newTab('connect')]
    await runs(owner)
    await shop(screen, 'watch')
    await owner.close()
    await shop(screen, 'stopScreen')
    expect(await shop(screen, 'screenState')).toBe('stopped')
    expect((await shop(screen, 'told')).errors).toEqual([])
  })

  test('one with something to commit waits for a host then, or for the end of its broker, and nothing is lost by it', async () => {
    const [owner, screen] = [await newTab('host'), await newTab('connect')]
    await runs(owner)
    await shop(screen, 'watch', '1h')
    await shop(screen, 'send', 0, 100)
    await until('the totals to be handled', async () => (await shop(screen, 'screenRecords')) === 100)
    await owner.close()
    const stopping = shop(screen, 'stopScreen')
    expect(await shop(screen, 'screenState')).toBe('stopping')
    await shop(screen, 'cutScreen')
    await stopping
    expect(await shop(screen, 'screenState')).toBe('failed')
    expect((await shop(screen, 'told')).errors).toEqual([
      expect.stringContaining('BAD_STATE: tabs shop has been closed'),
    ])
    await runs(await newTab('host'))
    await shop(screen, 'watch')
    await shop(screen, 'send', 0, 170)
    await shows(screen, ['0', 170])
  })

  describe('a consumer that its owner begins again as soon as it ends', () => {
    const looksAt = (tab: Page, count: number) =>
      until(`${count} clicks to be seen`, async () => (await shop(tab, 'told')).looked.length >= count, 20_000)
    const expectOnce = async (tab: Page, count: number, takeovers: number) => {
      const { looked, errors, joins } = await shop(tab, 'told')
      expect(looked).toEqual(Array.from({ length: count }, (_, offset) => offset))
      expect(errors).toHaveLength(takeovers)
      expect(errors.filter((error) => !error.startsWith('BROKER_UNAVAILABLE'))).toEqual([])
      expect(joins).toHaveLength(takeovers)
      expect(new Set(joins).size).toBe(takeovers)
    }

    test('goes on with one host after the other', async () => {
      let owner = await newTab('host')
      await runs(owner)
      const screen = await newTab('connect')
      await shop(screen, 'look')
      await shop(screen, 'countJoins')
      await shop(screen, 'send', 0, 100)
      await looksAt(screen, 100)
      for (const takeover of [1, 2]) {
        const next = await newTab('host')
        await owner.close()
        await runs(next)
        await shop(screen, 'send', 0, 100 + takeover * 50)
        await looksAt(screen, 100 + takeover * 50)
        owner = next
      }
      await expectOnce(screen, 200, 2)
    })

    testOfCache('goes on when the page is back from the back/forward cache', async () => {
      const owner = await newTab('host')
      await runs(owner)
      await shop(owner, 'countJoins')
      const screen = await newTab('connect')
      await shop(screen, 'look')
      await shop(owner, 'send', 0, 100)
      await looksAt(screen, 100)
      const before = (await shop(owner, 'told')).joins.length
      await putAside(screen)
      await shop(owner, 'send', 0, 150)
      // Nothing is asked by a page that is put aside: it would have partitions that it doesn't read.
      expect((await shop(owner, 'told')).joins).toHaveLength(before)
      await back(screen)
      await looksAt(screen, 150)
      const { joins } = await shop(owner, 'told')
      expect(joins).toHaveLength(before + 1)
      const { looked, errors } = await shop(screen, 'told')
      expect(looked).toEqual(Array.from({ length: 150 }, (_, offset) => offset))
      expect(errors).toEqual([expect.stringContaining('the browser had put this page aside')])
    })
  })

  testOfCache(
    'a tab in the back/forward cache doesn’t host; brought back, its app has failed, and a new one waits for its turn',
    async () => {
      const first = await newTab('host')
      await runs(first)
      await shop(first, 'send', 0, 400)
      await putAside(first)
      await back(first)
      await until('its app to have failed', async () => (await shop(first, 'state')) === 'failed')
      const { errors } = await shop(first, 'told')
      expect(errors[0]).toContain('FENCED: tabs shop: the browser has put this page aside')
      await shop(first, 'host')
      await runs(first)
      await shop(first, 'send', 1, 300)
      const second = await newTab('host')
      await putAside(first)
      await runs(second)
      await Promise.all([0, 1].map((sender) => shop(second, 'send', sender, CLICKS)))
      await expectAll(second)
    },
  )

  test('a tab that stands by in the back/forward cache doesn’t hold up those behind it', async () => {
    const [first, second, third] = [await newTab('host'), await newTab('host'), await newTab('host')]
    await runs(first)
    await putAside(second)
    await first.close()
    await runs(third)
  })

  testOfCache(
    'an app that is stopped as its page is put aside, while it stands by, has stopped when that is back',
    async () => {
      const [first, second] = [await newTab('host'), await newTab('host')]
      await runs(first)
      expect(await shop(second, 'state')).toBe('standing by')
      await shop(second, 'stopWhenPutAside')
      await putAside(second)
      await back(second)
      await until('it to have stopped', async () => (await shop(second, 'told')).hasStopped)
      expect((await shop(second, 'told')).errors).toEqual([])
      await shop(second, 'host')
      await first.close()
      await runs(second)
    },
  )

  testOfCache(
    'a tab that is put aside as it begins to host, and then can’t, doesn’t hold up those behind it',
    async () => {
      const [holder, first, second] = [await newTab(), await newTab(), await newTab()]
      await shop(holder, 'takeAlone')
      const hosting = shop(first, 'host').catch(String)
      await until('it to begin', () => shop(holder, 'isAwaited'))
      await putAside(first)
      await back(first)
      await hosting
      await holder.close()
      await shop(second, 'host')
      await runs(second)
    },
  )

  test('a tab that is put aside as it begins to host doesn’t get the database there', async () => {
    const [holder, first, second] = [await newTab(), await newTab(), await newTab()]
    await shop(holder, 'takeAlone')
    const hosting = shop(first, 'host').catch(String)
    await until('it to begin', () => shop(holder, 'isAwaited'))
    await putAside(first)
    await hosting
    await holder.close()
    await shop(second, 'host')
    await runs(second)
  })

  test('a tab that is put aside as it begins to host doesn’t say that it does, and its calls wait until it is back', async () => {
    const tab = await newTab()
    expect(await shop(tab, 'beginPutAside')).toEqual({
      error: expect.stringContaining('FENCED: tabs aside: the browser has put this page aside'),
      topics: 0,
      hosts: 1,
    })
  })

  test('an app that is started when its page has been put aside has no turn', async () => {
    const tab = await newTab()
    expect(await shop(tab, 'standByAside')).toContain('FENCED: tabs shop: the browser has put this page aside')
  })

  test('a broker that is closed while it connects says so, and hosts until it is closed when it is connected again', async () => {
    const [first, second] = [await newTab(), await newTab()]
    expect(await shop(first, 'closeEarly')).toContain('BAD_STATE: tabs shop has been closed')
    await shop(first, 'openAndClose')
    await shop(second, 'host')
    await runs(second)
  })

  describe('storage that is full', () => {
    const MEGABYTE = 2 ** 20
    const setQuota = async (tab: Page, quotaSize: number) => {
      const devtools = await browser.context.newCDPSession(tab)
      await devtools.send('Storage.overrideQuotaForOrigin', { origin: new URL(served.url).origin, quotaSize })
    }

    test('refuses what other tabs send, tears nothing, and takes it when there is room again', async () => {
      const [owner, sender] = [await newTab(), await newTab()]
      await setQuota(owner, 20 * MEGABYTE)
      await shop(owner, 'host')
      await runs(owner)
      await shop(sender, 'connect')
      await shop(sender, 'send', 0, 500)
      await handled(sender, 500)
      expect(await shop(sender, 'fill')).toContain('STORE_FULL: idb shop: the browser has no more room')
      await expect(shop(sender, 'send', 1, CLICKS)).rejects.toThrow('STORE_FULL')
      await setQuota(owner, 40 * MEGABYTE)
      await owner.reload()
      await shop(owner, 'host')
      await Promise.all([0, 1].map((each) => shop(sender, 'send', each, CLICKS)))
      await expectAll(sender)
    })

    test('fails the app at its next checkpoint; what follows goes on from the last one', async () => {
      const owner = await newTab()
      await setQuota(owner, 20 * MEGABYTE)
      await shop(owner, 'host', '1h')
      await runs(owner)
      await shop(owner, 'send', 0, 300)
      await shop(owner, 'send', 1, 200)
      await until('the clicks to be read', async () => (await shop(owner, 'records')) === 500)
      await shop(owner, 'fill')
      await shop(owner, 'stop')
      expect(await shop(owner, 'state')).toBe('failed')
      expect((await shop(owner, 'told')).errors).toEqual([expect.stringContaining('STORE_FULL')])
      await setQuota(owner, 40 * MEGABYTE)
      const next = await newTab('host')
      await runs(next)
      expect((await shop(next, 'progress')).sent).toBe(500)
      await Promise.all([0, 1].map((sender) => shop(next, 'send', sender, CLICKS)))
      await expectAll(next)
    })
  })

  test('a user who clears the site’s data ends it, and the next tab begins anew', async () => {
    const owner = await newTab('host')
    await runs(owner)
    await shop(owner, 'send', 0, 100)
    const devtools = await browser.context.newCDPSession(owner)
    await devtools.send('Storage.clearDataForOrigin', { origin: new URL(served.url).origin, storageTypes: 'indexeddb' })
    // A write that is under way hears that its connection was closed; the next one finds out why.
    await until('the loss to be told', async () => {
      const error = await shop(owner, 'send', 0, 200).then(() => 'none', String)
      expect(error).toContain('STORE_FAILED: idb shop')
      return error.includes('its database has been deleted')
    })
    await owner.close()
    const next = await newTab('host')
    await runs(next)
    expect(await shop(next, 'progress')).toEqual({ sent: 0, handled: 0 })
    await Promise.all([0, 1].map((sender) => shop(next, 'send', sender, CLICKS)))
    await expectAll(next)
  })

  test('without a host a tab says so', async () => {
    const tab = await newTab()
    await expect(shop(tab, 'connect')).rejects.toThrow('BROKER_UNAVAILABLE: tabs shop: no tab hosts it')
  })
})
