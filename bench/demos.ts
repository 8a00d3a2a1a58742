import { openChromium } from '../spec/browser.js'
import { buildSite, weight } from '../spec/builtSite.js'

const PAGES = ['fraud', 'clickstream', 'orders', 'live', 'playground']
const ROUNDS = 5

/** How soon the first marble is there after a page is opened, without a cache, and how much JavaScript that takes. */
export async function benchDemos(): Promise<void> {
  const site = await buildSite()
  try {
    for (const name of PAGES) {
      const times: number[] = []
      let bytes = 0
      for (let round = 0; round < ROUNDS; round++) {
        const { page, close } = await openChromium()
        try {
          await page.goto(`${site.url}${name}/index.html`, { waitUntil: 'commit' })
          const mark = await page.waitForFunction(() => performance.getEntriesByName('first marble')[0]?.startTime)
          times.push((await mark.jsonValue()) as number)
        } finally {
          await close()
        }
        bytes = weight(site.scripts())
      }
      const [least, middle] = [Math.min(...times), times.sort((a, b) => a - b)[ROUNDS >> 1] as number]
      console.log(
        `${name}: first marble after ${Math.round(middle)} ms (at best ${Math.round(least)}), ${(bytes / 1_000).toFixed(1)} kB of JavaScript`,
      )
    }
  } finally {
    await site.close()
  }
}
