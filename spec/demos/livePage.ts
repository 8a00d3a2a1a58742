import { until } from '../until.js'
import { expected } from './fraudCase.js'
import type { Visitor } from './visitor.js'

const SEED = 1
const PARTITIONS = 4
const WAIT_MS = 60_000

/** The page on which the pipeline is live, with its state in the browser. */
export function livePage(visitor: () => Visitor): void {
  const figure = async (name: string) => {
    const text = await visitor().page.locator('#figures div', { hasText: name }).locator('dd').textContent()
    return Number(text?.replaceAll(',', ''))
  }
  const written = () => figure('Transactions')
  const handled = () => figure('Handled')
  const handlesMoreThan = (n: number) => until(`more than ${n} are handled`, async () => (await handled()) > n, WAIT_MS)

  test('it goes on after a reload in mid-window, and after a crash, as if nothing had been', async () => {
    await visitor().open('live/index.html')
    await handlesMoreThan(60)
    let before = await handled()
    await visitor().page.getByRole('button', { name: 'Reload' }).click()
    await handlesMoreThan(before + 40)
    before = await handled()
    await visitor().crash()
    await visitor().open('live/index.html')
    await handlesMoreThan(before + 40)

    await visitor().page.getByRole('button', { name: 'Pause' }).click()
    await visitor().page.getByRole('button', { name: 'Go on' }).waitFor()
    let count = 0
    await until(
      'all is handled',
      async () => {
        const last = count
        count = await written()
        return count === last && (await handled()) === count
      },
      WAIT_MS,
    )
    const { alerts, spend } = expected({ seed: SEED, count, partitions: PARTITIONS })
    const most = [...spend].sort(([, a], [, b]) => b - a).slice(0, 6)
    // By cells: the text of a row has no gaps between them where the page hasn't been laid out yet.
    const cells = await visitor().page.locator('#panel tbody tr > *').allTextContents()
    expect(cells.map((text) => text.trim())).toEqual(
      most.flatMap(([user, cents]) => [user, Math.round(cents / 100).toLocaleString('en')]),
    )
    const raised = [...alerts.values()].flat().length
    const numbers = (await visitor().page.locator('#panel .bad dd').allTextContents()).map(Number)
    expect(numbers.reduce((sum, n) => sum + n, 0)).toBe(raised)
  })

  test('of two tabs one runs it, and the other looks on and takes over', async () => {
    await visitor().open('live/index.html')
    await handlesMoreThan(0)
    const first = visitor().page
    const second = await visitor().browser.context.newPage()
    visitor().turnTo(second)
    await visitor().open('live/index.html')
    await second.getByText('Another tab runs the pipeline').waitFor()
    await handlesMoreThan(0)
    expect(await second.getByRole('button', { name: 'Pause' }).isDisabled()).toBe(true)
    await first.close()
    await second.getByText('Another tab runs the pipeline').waitFor({ state: 'hidden' })
    await handlesMoreThan((await handled()) + 20)
  })

  test('it can begin anew', async () => {
    await visitor().open('live/index.html')
    await handlesMoreThan(100)
    await visitor().page.getByRole('button', { name: 'Start anew' }).click()
    await until('it has begun anew', async () => (await handled()) < 100 && (await handled()) > 0, WAIT_MS)
  })
}
