import { join } from 'node:path'
import { type BundledPage, bundlePage, type Chromium, describeInChromium, openChromium } from '../chromium.js'
import { until } from '../until.js'
import type { MarblesPage } from './marblesPage.js'

type PageGlobals = typeof globalThis & { marbles: MarblesPage }

/** Of the page, at 1,000 px: names take up the left, time the rest. */
const GUTTER = 148
const FROM = 0
const TO = 60

describeInChromium('the marble view', () => {
  let served: BundledPage
  let browser: Chromium

  beforeAll(async () => {
    served = await bundlePage(join(import.meta.dirname, 'marblesPage.ts'))
    browser = await openChromium()
  })
  afterAll(async () => {
    await browser?.close()
    await served?.close()
  })

  const call = <Name extends keyof MarblesPage>(name: Name, ...args: Parameters<MarblesPage[Name]>) =>
    browser.page.evaluate(
      ([method, given]) => ((globalThis as PageGlobals).marbles[method] as (...args: any[]) => any)(...given),
      [name, args] as const,
    ) as Promise<Awaited<ReturnType<MarblesPage[Name]>>>

  /** With one line per lane and the first minute in view. */
  async function open(width = 1_000, rows = 1): Promise<void> {
    const { page } = browser
    await page.setViewportSize({ width, height: 800 })
    await page.goto(served.url)
    await call('start', { rows, titles: { counts: 'Counts per 20 s' } })
    await call('show', FROM, TO)
  }

  const stage = () => browser.page.locator('#view [role=grid]')
  const said = () => browser.page.locator('#view [role=status]').textContent()
  const names = () => browser.page.locator('#view [role=rowheader] b').allTextContents()
  const details = () => browser.page.locator('#view aside')

  /** Where a time in a lane is, in pixels of the stage. */
  async function place(lane: string, at: number): Promise<{ x: number; y: number }> {
    const row = browser.page.locator('#view [role=row]', { hasText: lane }).first()
    const box = (await row.boundingBox()) as { y: number; height: number }
    const outer = (await stage().boundingBox()) as { y: number; width: number }
    const x = GUTTER + ((at - FROM) / (TO - FROM)) * (outer.width - GUTTER)
    return { x, y: box.y - outer.y + box.height / 2 }
  }

  async function pixel(lane: string, at: number, dy = 0): Promise<readonly number[]> {
    await call('drawn')
    const { x, y } = await place(lane, at)
    return call('pixel', x, y + dy)
  }

  async function click(lane: string, at: number): Promise<void> {
    await call('drawn')
    await stage().click({ position: await place(lane, at) })
  }

  /** Whether the colour stands out: neither background nor the wash of settled time. */
  const isColourful = ([r, g, b]: readonly number[]) =>
    Math.max(r ?? 0, g ?? 0, b ?? 0) - Math.min(r ?? 0, g ?? 0, b ?? 0) > 90

  test('has a named lane for each operator that emits', async () => {
    await open()
    await call('send', [
      ['ann', 1, 2],
      ['ann', 1, 30],
    ])
    await call('drawn')
    expect(await names()).toEqual(['in', 'mapValues', 'keyBy', 'Counts per 20 s', 'visits'])
    expect(await stage().getAttribute('aria-label')).toBe('Marbles in event time')
  })

  test('draws a marble where its time is, and none elsewhere', async () => {
    await open()
    await call('send', [['ann', 1, 40]])
    expect(isColourful(await pixel('keyBy', 40))).toBe(true)
    expect(isColourful(await pixel('keyBy', 50))).toBe(false)
    // Onto what has been drawn already.
    await call('send', [['ann', 1, 50]])
    expect(isColourful(await pixel('keyBy', 50))).toBe(true)
    expect(isColourful(await pixel('keyBy', 40))).toBe(true)
    expect(isColourful(await pixel('in', 30))).toBe(false)
  })

  test('draws only when something has changed', async () => {
    await open()
    await call('send', [['ann', 1, 2]])
    await call('drawn')
    const frames = (records: Parameters<MarblesPage['send']>[0]) =>
      browser.page.evaluate(async (given) => {
        const canvas = document.querySelector('#view')?.shadowRoot?.querySelector('canvas') as HTMLCanvasElement
        const { marbles } = globalThis as PageGlobals
        let count = 0
        const watch = new MutationObserver(() => count++)
        watch.observe(canvas, { attributes: true })
        marbles.send(given)
        await marbles.drawn()
        watch.disconnect()
        return count
      }, records)
    expect(await frames([['ann', 1, 3]])).toBeGreaterThan(0)
    expect(await frames([])).toBe(0)
  })

  test('is walked with the arrow keys, which say what they meet', async () => {
    await open()
    await call('send', [
      ['ann', 1, 2],
      ['bob', 5, 4],
      ['ann', 0, 6],
      ['ann', 3, 30],
    ])
    await call('drawn')
    await stage().focus()
    const { keyboard } = browser.page
    await keyboard.press('Home')
    expect(await said()).toBe('ann, 1, 00:00:02, in')
    await keyboard.press('ArrowRight')
    expect(await said()).toBe('bob, 5, 00:00:04, in')
    await keyboard.press('ArrowRight')
    await keyboard.press('ArrowDown')
    expect(await said()).toBe('ann, 0, 00:00:06, mapValues, filtered out')
    await keyboard.press('ArrowDown')
    expect(await said()).toBe('bob, 5, 00:00:04, keyBy')
    await keyboard.press('End')
    expect(await said()).toBe('ann, 3, 00:00:30, keyBy')
    await keyboard.press('ArrowDown')
    expect(await said()).toBe('bob, 1, 00:00:04, Counts per 20 s, window 00:00:00 to 00:00:20, final')
    const active = await stage().getAttribute('aria-activedescendant')
    expect(await browser.page.locator(`#view [id="${active}"]`).textContent()).toBe(await said())
    await keyboard.press('ArrowUp')
    expect(await said()).toBe('bob, 5, 00:00:04, keyBy')
  })

  test('shows a record and where it came from at a click, and follows its links', async () => {
    await open()
    await call('send', [
      ['ann', 1, 2],
      ['ann', 1, 8],
      ['bob', 1, 9],
      ['ann', 1, 30],
    ])
    await click('Counts', 8)
    expect(await details().locator('h2').textContent()).toBe('ann')
    expect(await details().locator('pre').first().textContent()).toBe('2')
    expect(await details().locator('dl').textContent()).toContain('00:00:00 to 00:00:20')
    const cameFrom = await details().locator('section[aria-label="Came from"] button').allTextContents()
    expect(cameFrom).toEqual([
      'ann 100:00:08',
      'ann 100:00:02',
      'ann 100:00:08',
      'ann 100:00:02',
      'ann 100:00:08',
      'ann 100:00:02',
    ])
    const movedBy = details().locator('section[aria-label="Came out when time was moved by"] button')
    expect(await movedBy.allTextContents()).toEqual(['ann 100:00:30'])
    await movedBy.click()
    expect(await said()).toBe('ann, 1, 00:00:30, in')
    expect(await details().locator('section[aria-label="Came from"]').textContent()).toContain('it is a source record')
    await browser.page.keyboard.press('Escape')
    await until('the details to close', () => details().isHidden())
    expect(await stage().evaluate((element) => (element.getRootNode() as ShadowRoot).activeElement === element)).toBe(
      true,
    )
  })

  test('opens the record under the cursor with Enter, and tells what it touched', async () => {
    await open()
    await call('send', [
      ['ann', 1, 2],
      ['ann', 1, 50],
    ])
    await call('drawn')
    await stage().focus()
    for (const key of ['Home', 'Enter']) await browser.page.keyboard.press(key)
    const touched = details().locator('section[aria-label="What it touched"]')
    expect(await touched.locator('h4').allTextContents()).toEqual(['mapValues', 'keyBy', 'Counts per 20 s', 'visits'])
    expect(await details().locator('section[aria-label="State that it changed"]').textContent()).toContain('visits ann')
  })

  test('shows sessions apart, and as one once they have merged', async () => {
    await open()
    await call('send', [
      ['ann', 1, 20],
      ['ann', 1, 31],
    ])
    const middle = async () => pixel('visits', 25.5, 6)
    const [ground, session] = [await pixel('visits', 45, 6), await pixel('visits', 20, 6)]
    const differ = (a: readonly number[], b: readonly number[]) =>
      a.some((part, n) => Math.abs(part - (b[n] ?? 0)) > 12)
    expect(differ(session, ground)).toBe(true)
    const before = await middle()
    await call('send', [['ann', 1, 25.6]])
    const after = await middle()
    expect(differ(after, before)).toBe(true)
    const cell = browser.page.locator('#view [role=row]', { hasText: 'visits' }).locator('[role=gridcell]')
    expect(await cell.textContent()).toContain('1 open window')
  })

  test('marks late records by a shape of their own', async () => {
    await open()
    await call('send', [
      ['ann', 1, 40],
      ['ann', 1, 5],
    ])
    await call('drawn')
    await stage().focus()
    await browser.page.keyboard.press('Home')
    for (let n = 0; n < 3; n++) await browser.page.keyboard.press('ArrowDown')
    expect(await said()).toBe('ann, 1, 00:00:05, Counts per 20 s, late')
    // Hollow, with a red edge: unlike all others, in the middle of each half.
    const edge = await pixel('Counts', 5, -6)
    expect(edge[0]).toBeGreaterThan(120)
    expect((edge[0] as number) - (edge[2] as number)).toBeGreaterThan(60)
  })

  test('forgets what came after an event that a replay has gone back to', async () => {
    await open()
    await call('send', [['ann', 1, 10]])
    const mark = await call('last')
    await call('send', [['ann', 1, 40]])
    expect(isColourful(await pixel('keyBy', 40))).toBe(true)
    await call('truncate', mark)
    expect(isColourful(await pixel('keyBy', 40))).toBe(false)
    expect(isColourful(await pixel('keyBy', 10))).toBe(true)
    expect(await call('last')).toBe(mark)
  })

  test('moves on with time until somebody looks back', async () => {
    await open()
    await call('follow', true)
    await call('send', [['ann', 1, 500]])
    await call('drawn')
    const pressed = () => browser.page.locator('#view button', { hasText: 'Follow' }).getAttribute('aria-pressed')
    expect(await pressed()).toBe('true')
    const count = () => browser.page.locator('#view canvas').getAttribute('data-marbles')
    expect(Number(await count())).toBeGreaterThan(0)
    await call('send', [['ann', 1, 5_000]])
    await call('drawn')
    expect(Number(await count())).toBeGreaterThan(0)
    await stage().focus()
    await browser.page.keyboard.press('Shift+ArrowLeft')
    await call('drawn')
    expect(await pressed()).toBe('false')
  })

  test('zooms by keys, by buttons and with Ctrl and the wheel, and shows all', async () => {
    await open()
    await call('send', [
      ['ann', 1, 10],
      ['ann', 1, 300],
    ])
    await call('drawn')
    const count = async () => {
      await call('drawn')
      return Number(await browser.page.locator('#view canvas').getAttribute('data-marbles'))
    }
    const near = await count()
    await stage().focus()
    await browser.page.keyboard.press('0')
    const all = await count()
    expect(all).toBeGreaterThan(near)
    for (let n = 0; n < 12; n++) await browser.page.locator('#view button[aria-label="Zoom in"]').click()
    expect(await count()).toBeLessThan(all)
    for (let n = 0; n < 12; n++) await browser.page.keyboard.press('-')
    const box = (await stage().boundingBox()) as { x: number; y: number }
    await browser.page.mouse.move(box.x + 500, box.y + 60)
    await browser.page.keyboard.down('Control')
    await browser.page.mouse.wheel(0, 2_000)
    await browser.page.keyboard.up('Control')
    expect(await count()).toBe(all)
  })

  test('is dark where the page is, with colours that stand out in both', async () => {
    await open()
    await call('send', [['ann', 1, 40]])
    const light = await pixel('keyBy', 55)
    await browser.page.emulateMedia({ colorScheme: 'dark' })
    const dark = await pixel('keyBy', 55)
    expect(Math.min(...light)).toBeGreaterThan(200)
    expect(Math.max(...dark)).toBeLessThan(70)
    expect(isColourful(await pixel('keyBy', 40))).toBe(true)
    await browser.page.emulateMedia({ colorScheme: 'light' })
  })

  test('takes the colours that are set on its element', async () => {
    await open()
    await call('send', [['ann', 1, 40]])
    await call('drawn')
    await browser.page.evaluate(() => {
      const element = document.querySelector('#view') as HTMLElement
      element.style.setProperty('--marbles-background', '#204060')
      element.style.setProperty('--marbles-lane', '#204060')
    })
    expect(await pixel('keyBy', 55)).toEqual([0x20, 0x40, 0x60])
  })

  test('fits a narrow screen: names stand above their lanes', async () => {
    await open(360, 4)
    await call('send', [
      ['ann', 1, 10],
      ['bob', 1, 12],
      ['ann', 1, 50],
    ])
    await call('drawn')
    expect(await browser.page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(360)
    expect(await names()).toContain('Counts per 20 s')
    const box = (await browser.page.locator('#view [role=row]').first().boundingBox()) as { width: number }
    expect(box.width).toBeGreaterThan(300)
  })

  test.each(['light', 'dark'] as const)('has nothing that axe complains of, in %s', async (colorScheme) => {
    await open(1_000, 4)
    await browser.page.emulateMedia({ colorScheme })
    await call('send', [
      ['ann', 1, 2],
      ['bob', 2, 3],
      ['ann', 0, 4],
      ['ann', 1, 60],
      ['ann', 1, 5],
    ])
    await call('drawn')
    await stage().focus()
    for (const key of ['Home', 'Enter']) await browser.page.keyboard.press(key)
    await call('drawn')
    expect(await call('violations')).toEqual([])
    await browser.page.emulateMedia({ colorScheme: 'light' })
  })

  test('tells of a window under the pointer', async () => {
    await open()
    await call('send', [
      ['ann', 1, 2],
      ['ann', 1, 8],
    ])
    await call('drawn')
    const tip = browser.page.locator('#view .tip')
    await stage().hover({ position: await place('Counts', 14) })
    expect(await tip.textContent()).toBe('ann, 00:00:00 to 00:00:20, 2 records, open')
    await stage().hover({ position: await place('Counts', 40) })
    expect(await tip.isHidden()).toBe(true)
  })

  test('a listener that throws is told of, and changes nothing', async () => {
    await open()
    const errors: string[] = []
    const listen = ({ message }: Error) => errors.push(message)
    browser.page.on('pageerror', listen)
    expect(await call('broken')).toEqual([2])
    await until('the errors', () => errors.length > 0)
    browser.page.off('pageerror', listen)
    expect(new Set(errors)).toEqual(new Set(['broken listener']))
  })

  test('leaves nothing behind', async () => {
    await open()
    await call('send', [['ann', 1, 2]])
    await call('destroy')
    expect(await browser.page.evaluate(() => document.querySelector('#view')?.shadowRoot?.childElementCount)).toBe(0)
    await call('send', [['ann', 1, 3]])
    await call('drawn')
  })

  test('a state table shows the entries that changed last, and no more', async () => {
    await open()
    await call('send', [
      ['a', 1, 1],
      ['b', 1, 2],
      ['c', 1, 3],
      ['d', 1, 4],
      ['b', 1, 5],
    ])
    await call('drawn')
    const rows = () => browser.page.locator('#table tbody th').allTextContents()
    expect(await rows()).toEqual(['b', 'd', 'c'])
    const row = browser.page.locator('#table tbody tr').first()
    expect(await row.locator('td').allTextContents()).toEqual(['00:00:02–00:00:05.001', '2'])
    expect(await browser.page.locator('#table caption').textContent()).toBe('Visits · 4 entries')
    const mark = await call('last')
    await call('send', [['e', 1, 6]])
    await call('drawn')
    expect(await rows()).toEqual(['e', 'b', 'd'])
    await call('truncate', mark)
    await call('drawn')
    expect(await rows()).toEqual(['b', 'd', 'c'])
  })
})
