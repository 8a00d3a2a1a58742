import { mkdtempSync, openAsBlob, rmSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createApp, embedded, memory } from '../lib/index.js'
import { openRecording, writeRecording } from '../lib/replay/index.js'
import { bundlePage, openChromium } from '../spec/browser.js'
import { checksum, PARTITIONS, payments, perMinute, RECORDS, replayAll, TOPICS } from './replayed.js'
import type { ReplayPage } from './replayPage.js'
import { handledBy, type Outcome, printFigures, takeTurns } from './rounds.js'

/** The same pipeline as an app over a broker in its process, which has the records already. */
async function runApp(): Promise<Outcome> {
  const broker = embedded()
  await broker.connect()
  await broker.createTopics([
    { topic: 'payments', partitions: PARTITIONS },
    { topic: 'totals', partitions: PARTITIONS },
  ])
  const producer = await broker.producer()
  await producer.send([...payments()])
  const app = createApp({ id: 'bench', broker, store: memory() })
  perMinute(app)
  const startedAt = performance.now()
  await app.start()
  while (handledBy(app) < RECORDS) await new Promise((resolve) => setTimeout(resolve, 1))
  const seconds = (performance.now() - startedAt) / 1_000
  await app.stop()
  const outputs: { key: Uint8Array | null; value: Uint8Array | null; timestamp: number }[] = []
  for (const [partition, { end }] of (await broker.ranges('totals')).entries())
    await broker.read({ topic: 'totals', partition }, 0, end, ({ records }) => {
      outputs.push(...records)
    })
  await broker.close()
  return { result: checksum(outputs), seconds }
}

/** Records per second of one recording in Node and in a real browser, in turns. */
export async function benchReplay(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'tidemark-replay-'))
  const path = join(folder, 'payments.jsonl.gz')
  const served = await bundlePage(join(import.meta.dirname, 'replayPage.ts'))
  const browser = await openChromium()
  try {
    let startedAt = performance.now()
    await writeFile(path, writeRecording(TOPICS, payments()))
    console.log(`written in ${seconds(startedAt)} s`)
    startedAt = performance.now()
    const recording = await openRecording(await openAsBlob(path))
    console.log(`opened in Node in ${seconds(startedAt)} s`)
    const { page } = browser
    await page.goto(served.url)
    await page.setInputFiles('input', path)
    type PageGlobals = typeof globalThis & { replay: ReplayPage }
    console.log(
      `opened in Chromium in ${(await page.evaluate(() => (globalThis as PageGlobals).replay.open())).toFixed(2)} s`,
    )
    const figures = await takeTurns(
      [
        { name: 'a replay in Node', run: () => replayAll(recording) },
        { name: 'a replay in Chromium', run: () => page.evaluate(() => (globalThis as PageGlobals).replay.replay()) },
        { name: 'an app in Node, over embedded()', run: runApp },
      ],
      RECORDS,
      { warmUp: 1, rounds: 3 },
    )
    printFigures(`count and sum per minute and user of a recording of ${RECORDS.toLocaleString('en')} records`, figures)
  } finally {
    await browser.close()
    await served.close()
    rmSync(folder, { recursive: true, force: true })
  }
}

const seconds = (since: number) => ((performance.now() - since) / 1_000).toFixed(2)
