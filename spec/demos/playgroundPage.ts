import { transactions } from '../../demos/fraud/generator.js'
import { RECORDED } from '../../demos/site/recordDemo.js'
import type { Visitor } from './visitor.js'

const COUNTS = `import { type App, aggregate, count, json, keyBy, toTopic } from 'tidemark'

export default function (app: App) {
  const transactions = app.stream<{ country: string }>('transactions', { value: json() })
  app.run('counts', transactions.pipe(
    keyBy(({ value }) => value.country),
    aggregate(count(), { name: 'counts' }),
    toTopic('counts'),
  ))
}
`

/** A topic that each example writes. */
const WRITES = {
  tumbling: 'volume-per-country',
  hopping: 'readers-per-page',
  session: 'paths',
  join: 'fulfilled',
  pattern: 'interested',
  fraud: 'spend-per-user',
  clickstream: 'sessions',
  orders: 'shipped-orders',
}

/** The page on which one writes a pipeline. */
export function playgroundPage(visitor: () => Visitor): void {
  const { seed, count } = RECORDED
  const facts = 200

  async function edit(code: string): Promise<void> {
    const { page } = visitor()
    await page.locator('.cm-content').click()
    await page.keyboard.press('ControlOrMeta+a')
    await page.keyboard.insertText(code)
    await page.keyboard.press('ControlOrMeta+Enter')
  }
  const says = (text: string | RegExp) => visitor().page.getByText(text).first().waitFor()
  const topic = async (name: string) => (await visitor().written()).filter((output) => output.topic === name)

  async function countsAreRight(): Promise<void> {
    await visitor().page.getByRole('heading', { name: 'Topic counts' }).waitFor()
    await visitor().seek(facts + count)
    const wanted = new Map<string, number>()
    for (const { country } of transactions(seed, count)) wanted.set(country, (wanted.get(country) ?? 0) + 1)
    expect(new Map((await topic('counts')).map(({ key, value }) => [key, value]))).toEqual(wanted)
  }

  test('a pipeline is changed, and runs again over the same topic', async () => {
    await visitor().open('playground/index.html')
    await visitor().page.getByRole('heading', { name: 'Topic volume-per-country' }).waitFor()
    await edit(COUNTS)
    await countsAreRight()
    // Of this the page hasn't loaded anything before.
    await edit(COUNTS.replace('count, ', 'median, ').replace('count()', 'median(() => 7)'))
    await says(/^7(\.\d+)?$/)
  })

  test('every example runs', async () => {
    const { page } = visitor()
    await visitor().open('playground/index.html')
    await page.locator('.cm-content').waitFor()
    const examples = await page
      .locator('#example option')
      .evaluateAll((options) => options.map((option) => (option as HTMLOptionElement).value))
    expect(examples).toEqual(Object.keys(WRITES))
    await page.getByRole('combobox', { name: 'Speed' }).selectOption('max')
    for (const [example, topic] of Object.entries(WRITES)) {
      await page.locator('#example').selectOption(example)
      await page.getByRole('heading', { name: `Topic ${topic}` }).waitFor()
      expect(await page.getByRole('alert').isHidden()).toBe(true)
    }
  })

  test('it says in which line an error is', async () => {
    await visitor().open('playground/index.html')
    await edit(COUNTS.replace('aggregate(count()', 'aggregate(count('))
    await says(/^Line \d+: Unexpected token/)
    await edit(COUNTS.replace('keyBy(({ value }) => value.country)', 'keyBy(({ value }) => value.place.country)'))
    await says(/^Line 6: .*undefined/)
    await edit(COUNTS.replace("'tidemark'", "'kafkajs'"))
    await says(/there is no module kafkajs here/)
    await edit(COUNTS.replace('export default function', 'function build'))
    await says(/export a function of the app/)
    await edit(COUNTS)
    await countsAreRight()
    expect(await visitor().page.getByRole('alert').isHidden()).toBe(true)
  })

  test('an endless loop can be stopped', async () => {
    const { page } = visitor()
    await visitor().open('playground/index.html')
    await edit(COUNTS.replace('=> value.country', '=> { for (;;); }'))
    await says(/does not answer/)
    await page.getByRole('button', { name: 'Stop' }).click()
    await says('Stopped.')
    // For longer than the page takes to look for an answer.
    await page.waitForTimeout(1_000)
    await says('Stopped.')
    await edit(COUNTS)
    await countsAreRight()
  })

  test('a link brings the code along, which runs when one says so', async () => {
    const { page, browser, site } = visitor()
    await browser.context.grantPermissions(['clipboard-read', 'clipboard-write'], { origin: new URL(site.url).origin })
    await visitor().open('playground/index.html')
    await edit(COUNTS)
    await countsAreRight()
    await page.getByRole('button', { name: 'Copy link' }).click()
    await says('The link is in your clipboard.')
    const link = await page.evaluate(() => navigator.clipboard.readText())
    await page.goto('about:blank')
    await page.goto(link)
    await says(/This pipeline came with the link/)
    expect(await page.getByRole('heading', { name: /^Topic/ }).count()).toBe(0)
    await page.getByRole('button', { name: 'Run' }).click()
    await countsAreRight()
  })
}
