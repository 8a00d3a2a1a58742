import { createRequire } from 'node:module'
import { jest } from '@jest/globals'
import type { AxeResults } from 'axe-core'
import { weight } from '../builtSite.js'
import { describeInChromium } from '../chromium.js'
import { livePage } from './livePage.js'
import { playgroundPage } from './playgroundPage.js'
import { recordedPages } from './recordedPages.js'
import { Visitor } from './visitor.js'

/** What a page may load of JavaScript, with gzip; the playground's editor is beside that. */
const MAX_BYTES = 120_000

const AXE = createRequire(import.meta.url).resolve('axe-core/axe.min.js')
type AxeGlobals = typeof globalThis & { axe: { run(context: { exclude: string[] }): Promise<AxeResults> } }

// One file, so that the site is built once.
describeInChromium('the demos’ site', () => {
  jest.setTimeout(120_000)
  let visitor: Visitor

  beforeAll(async () => {
    visitor = await Visitor.come()
  })
  afterAll(() => visitor?.leave())
  beforeEach(() => {
    visitor.faults.length = 0
  })
  afterEach(() => {
    expect(visitor.faults).toEqual([])
  })

  test('begins with a page that leads to all the others', async () => {
    const { page, site } = visitor
    await visitor.open('index.html')
    const names = await page.locator('main a').allTextContents()
    expect(names).toEqual(['Clickstream', 'Orders', 'Fraud', 'Live', 'Playground'])
    for (const name of names) {
      await page.goto(`${site.url}index.html`)
      await page.getByRole('main').getByRole('link', { name }).click()
      await page.waitForURL(`${site.url}${name.toLowerCase()}/index.html*`)
      expect(await page.locator('nav [aria-current]').textContent()).toBe(name)
    }
  })

  test.each(['fraud', 'clickstream', 'orders', 'live', 'playground'])(
    '%s shows marbles, and weighs little',
    async (name) => {
      const { page, site } = visitor
      await visitor.open(`${name}/index.html`)
      await page.waitForFunction(() => performance.getEntriesByName('first marble').length > 0)
      await page.waitForSelector('#marbles canvas')
      const scripts = site.scripts()
      expect([...scripts.keys()].some((name) => name.startsWith('worker-'))).toBe(true)
      expect(weight(scripts)).toBeLessThan(MAX_BYTES)
    },
  )

  test.each(['.', 'fraud', 'clickstream', 'orders', 'live', 'playground'])(
    'axe has nothing to say against %s, in light and in dark',
    async (name) => {
      const { page } = visitor
      for (const colorScheme of ['light', 'dark'] as const) {
        await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' })
        await visitor.open(`${name}/index.html`)
        if (name !== '.') await page.waitForFunction(() => performance.getEntriesByName('first marble').length > 0)
        if (name === 'playground') await page.waitForSelector('.cm-content')
        await page.addScriptTag({ path: AXE })
        // One source is enough: looking at all its colours takes long.
        const context = { exclude: name === 'clickstream' ? [] : ['#source'] }
        const found = await page.evaluate((given) => (globalThis as AxeGlobals).axe.run(given), context)
        expect(found.violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html)}`)).toEqual([])
      }
      await page.emulateMedia({ colorScheme: null, reducedMotion: null })
    },
  )

  test('on a narrow screen nothing is wider than that', async () => {
    const { page } = visitor
    await page.setViewportSize({ width: 360, height: 780 })
    for (const name of ['.', 'fraud', 'clickstream', 'orders', 'live', 'playground']) {
      await visitor.open(`${name}/index.html`)
      if (name !== '.') await page.waitForFunction(() => performance.getEntriesByName('first marble').length > 0)
      const tooMuch = () => document.documentElement.scrollWidth - document.documentElement.clientWidth
      expect(`${name}: ${await page.evaluate(tooMuch)}`).toBe(`${name}: 0`)
    }
    await page.setViewportSize({ width: 1_400, height: 900 })
  })

  recordedPages(() => visitor)
  describe('live', () => livePage(() => visitor))
  describe('the playground', () => playgroundPage(() => visitor))
})
