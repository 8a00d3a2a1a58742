import type { Page } from 'playwright-core'
import type { Output } from '../../demos/site/messages.js'
import { type BuiltSite, buildSite } from '../builtSite.js'
import { type Chromium, openChromium } from '../chromium.js'

type PageGlobals = typeof globalThis & { player: { written: readonly Output[] } }

/** Somebody who visits the demos' site. */
export class Visitor {
  page!: Page
  /** What pages have complained of, and what they have asked of other hosts. */
  readonly faults: string[] = []

  private constructor(
    readonly site: BuiltSite,
    public browser: Chromium,
  ) {
    this.turnTo(browser.page)
  }

  static async come(): Promise<Visitor> {
    return new Visitor(await buildSite(), await openChromium())
  }

  async leave(): Promise<void> {
    await this.browser.close()
    await this.site.close()
  }

  turnTo(page: Page): void {
    this.page = page
    page.removeAllListeners()
    page.on('pageerror', ({ message }) => this.faults.push(message))
    page.on('console', (message) => {
      if (message.type() === 'error') this.faults.push(message.text())
    })
    page.on('request', (request) => {
      if (!/^(blob|data):/.test(request.url()) && !request.url().startsWith(this.site.url))
        this.faults.push(request.url())
    })
  }

  /** Ends the browser at once, and opens it again with what it had stored. */
  async crash(): Promise<void> {
    await this.browser.kill()
    this.browser = await openChromium({ profile: this.browser.profile })
    this.turnTo(this.browser.page)
  }

  async open(path: string): Promise<void> {
    // A change of the hash alone would leave the page as it is.
    await this.page.goto('about:blank')
    this.site.scripts()
    await this.page.goto(this.site.url + path)
  }

  async stands(index: number): Promise<void> {
    await this.page.waitForFunction((wanted) => {
      const { index, state } = document.documentElement.dataset
      return index === wanted && state === 'paused'
    }, String(index))
  }

  /** With the slider, as somebody does who drags it. */
  async seek(index: number): Promise<void> {
    await this.page.getByRole('slider').fill(String(index))
    await this.stands(index)
  }

  index(): Promise<number> {
    return this.page.evaluate(() => Number(document.documentElement.dataset.index))
  }

  /** What the pipeline has written to topics by now. */
  written(): Promise<readonly Output[]> {
    return this.page.evaluate(() => (globalThis as PageGlobals).player.written)
  }
}
