import { join } from 'node:path'
import { bundlePage, openChromium } from '../spec/browser.js'
import type { Frames } from './marblesPage.js'

const FRAMES = 300
const ROUNDS = 3

type Run = (inView: number, frames: number) => Promise<Frames>

/** What the marble view costs in real Chromium, on the move all the time, with a live pipeline behind it: time between frames, and script in each. */
export async function benchMarbles(): Promise<void> {
  const served = await bundlePage(join(import.meta.dirname, 'marblesPage.ts'))
  const browser = await openChromium()
  try {
    await browser.page.setViewportSize({ width: 1_400, height: 900 })
    await browser.page.goto(served.url)
    console.log('\nMarble view, 1,400 px wide, following a live pipeline\n')
    console.log(row(['marbles in view', 'frame ms', '95 %', 'script ms', '95 %']))
    for (const inView of [100, 1_000, 5_000, 20_000]) {
      const rounds: Frames[] = []
      for (let round = 0; round <= ROUNDS; round++) {
        const frames = await browser.page.evaluate(
          ([count, length]) => (globalThis as unknown as { run: Run }).run(count, length),
          [inView, FRAMES] as const,
        )
        // The first warms up.
        if (round > 0) rounds.push(frames)
      }
      const all = (of: 'gaps' | 'scripts') => rounds.flatMap((frames) => frames[of]).sort((a, b) => a - b)
      const at = (values: readonly number[], part: number) =>
        (values[Math.floor(values.length * part)] as number).toFixed(1)
      const [gaps, scripts] = [all('gaps'), all('scripts')]
      console.log(
        row([
          (rounds.at(-1) as Frames).marbles.toLocaleString('en'),
          at(gaps, 0.5),
          at(gaps, 0.95),
          at(scripts, 0.5),
          at(scripts, 0.95),
        ]),
      )
    }
  } finally {
    await browser.close()
    await served.close()
  }
}

const row = ([name, ...rest]: readonly string[]) =>
  `  ${(name as string).padEnd(20)}${rest.map((cell) => cell.padStart(11)).join('')}`
