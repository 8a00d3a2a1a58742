import type { Locator } from 'playwright-core'
import { RECORDED, recordDemo } from '../../demos/site/recordDemo.js'
import { clickstreamCase } from './clickstreamCase.js'
import type { DemoCase } from './demoCase.js'
import { fraudCase } from './fraudCase.js'
import { ordersCase } from './ordersCase.js'
import { sessionNumbers } from './sessionNumbers.js'
import type { Visitor } from './visitor.js'

/** Pages with a recorded topic. */
export function recordedPages(visitor: () => Visitor): void {
  describe.each([fraudCase, clickstreamCase, ordersCase])('$demo.name', ({ demo, expected, outcomeOf }: DemoCase) => {
    const { seed, partitions } = RECORDED
    const facts = [...demo.facts(seed)].length
    const last = facts + RECORDED.count

    /** All that has come out is what the plain loop gives for so many records. */
    async function isAsTheLoopSays(index: number): Promise<void> {
      expect(outcomeOf(await visitor().written())).toEqual(expected({ seed, count: index - facts, partitions }))
    }

    test('sought back and forth, it stands as the plain loop says', async () => {
      await visitor().open(`${demo.name}/index.html#at=${facts + 700}`)
      await visitor().stands(facts + 700)
      await isAsTheLoopSays(facts + 700)
      for (const index of [last, facts + 300, facts + 1_100, facts + 299, facts + 300]) {
        await visitor().seek(index)
        await isAsTheLoopSays(index)
      }
      await visitor().page.getByRole('button', { name: 'One record back' }).click()
      await visitor().stands(facts + 299)
      await isAsTheLoopSays(facts + 299)
      await visitor().page.getByRole('button', { name: 'One record on' }).click()
      await visitor().stands(facts + 300)
      await isAsTheLoopSays(facts + 300)
      await visitor().page.waitForURL((url) => url.hash === `#at=${facts + 300}`)
    })

    test('plays, and pauses with the space bar', async () => {
      await visitor().open(`${demo.name}/index.html#at=${facts + 100}`)
      await visitor().stands(facts + 100)
      await visitor().page.getByRole('combobox', { name: 'Speed' }).selectOption('1000 ×')
      await visitor().page.locator('h1').click()
      await visitor().page.keyboard.press(' ')
      await visitor().page.waitForFunction((from) => Number(document.documentElement.dataset.index) > from, facts + 105)
      await visitor().page.keyboard.press(' ')
      await visitor().page.waitForFunction(() => document.documentElement.dataset.state === 'paused')
      await isAsTheLoopSays(await visitor().index())
    })

    test('takes somebody’s own recording', async () => {
      const part = { seed: 5, count: 400, partitions: 3 }
      await visitor().open(`${demo.name}/index.html#at=0`)
      await visitor()
        .page.locator('input[type=file]')
        .setInputFiles({
          name: 'mine.jsonl.gz',
          mimeType: 'application/gzip',
          buffer: Buffer.from(await recordDemo(demo, part)),
        })
      await visitor().page.waitForFunction(
        (size) => document.querySelector<HTMLInputElement>('[type=range]')?.max === size,
        String(facts + 400),
      )
      await visitor().seek(facts + 400)
      expect(outcomeOf(await visitor().written())).toEqual(expected(part))
      await visitor()
        .page.locator('input[type=file]')
        .setInputFiles({
          name: 'letter.txt',
          mimeType: 'text/plain',
          buffer: Buffer.from('Dear Sir or Madam'),
        })
      await visitor().page.getByRole('alert').filter({ hasText: 'BAD_RECORDING' }).waitFor()
    })
  })

  test('what one reads are these states', async () => {
    const { seed, partitions } = RECORDED
    await visitor().open('clickstream/index.html#at=900')
    await visitor().stands(900)
    for (const index of [1_400, 500]) {
      await visitor().seek(index)
      const wanted = sessionNumbers({ seed, count: index, partitions })
      const { page } = visitor()
      const shown = await cellsOf(page.locator('#engagement tbody tr'))
      expect(shown.map(([channel, sessions, , pages, bounces]) => [channel, sessions, pages, bounces]).sort()).toEqual(
        wanted.engagement,
      )
      const state = page.getByRole('region', { name: 'State: engagement' }).locator('tbody tr')
      expect((await cellsOf(state)).sort()).toEqual(wanted.state)
      await visitor()
        .page.getByRole('region', { name: 'State: open sessions' })
        .getByText(`${wanted.open} entries`)
        .waitFor()
    }
  })
}

const cellsOf = (rows: Locator) =>
  rows.evaluateAll((rows) => rows.map((row) => [...row.children].map(({ textContent }) => textContent)))
