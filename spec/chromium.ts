import { executable, isInstalled } from './browser.js'

export { type BundledPage, bundlePage, type Chromium, openChromium } from './browser.js'

if (!isInstalled) {
  const message = `No Chromium at ${executable}: install it, or set CHROMIUM_PATH`
  if (process.env.CI) throw new Error(message)
  console.warn(`SKIPPED: all tests in a browser. ${message}`)
}

/** `describe` for tests in a real browser: skipped, loudly, where none is installed; with `CI` set that fails. */
export const describeInChromium: jest.Describe = isInstalled ? describe : describe.skip
