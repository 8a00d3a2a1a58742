import { parseArgs } from 'node:util'
import { runInChromium } from './chromium.js'
import { CORPUS, readTraces } from './files.js'
import { describeAside, describeFailure, table, totals } from './report.js'
import { type FileReport, runFile } from './runFile.js'
import { STORES, type StoreName, storeMaker } from './stores.js'

const USAGE = `npm run conformance [-- folder-or-file …] [options]
  --only name        topologies of that name only; several with commas, * stands for anything
  --store kind       ${STORES.join(', ')}; default memory
  --chromium         in a page of headless Chromium, on its IndexedDB
  --restart n        crashes the app at every n-th step and starts it again
  --forget            no value of a state stays in memory from one step to the next
  --verbose          every failing case, and the drop counts and stores that differ`

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    only: { type: 'string' },
    store: { type: 'string', default: 'memory' },
    chromium: { type: 'boolean', default: false },
    restart: { type: 'string' },
    forget: { type: 'boolean', default: false },
    verbose: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})

const restartEvery = values.restart === undefined ? undefined : Number(values.restart)
if (values.help || !STORES.includes(values.store as StoreName) || !(restartEvery === undefined || restartEvery >= 1)) {
  console.log(USAGE)
  process.exit(values.help ? 0 : 2)
}

const began = performance.now()
const files = readTraces(positionals.length === 0 ? [CORPUS] : positionals, values.only)
if (files.length === 0) {
  console.error('no such topology')
  process.exit(2)
}

const reports: FileReport[] = []
if (values.chromium) {
  reports.push(...(await runInChromium(files, restartEvery)))
} else {
  const stores = await storeMaker(values.store as StoreName)
  for (const file of files)
    reports.push(await runFile(file, { store: stores.make, restartEvery, forgets: values.forget }))
  await stores.clear()
}

for (const { name, cases } of reports) {
  const failed = cases.filter((one) => !one.isPassed)
  for (const one of values.verbose ? failed : failed.slice(0, 1)) console.log(`${describeFailure(name, one)}\n`)
  if (values.verbose) for (const one of cases) for (const line of describeAside(name, one)) console.log(line)
}
const plain = reports.filter(({ isQuirk }) => !isQuirk)
const quirks = reports.filter(({ isQuirk }) => isQuirk)
if (plain.length > 0) console.log(`${table(plain)}\n`)
if (quirks.length > 0)
  console.log(`Told apart, as they come from how Kafka Streams keeps its stores:\n${table(quirks)}\n`)
const { passed, failed, wrong } = totals(reports)
const steps = reports.reduce((sum, report) => sum + report.steps, 0)
const where = values.chromium ? 'IndexedDB in Chromium' : values.store
console.log(`${steps} steps on ${where} in ${((performance.now() - began) / 1000).toFixed(1)} s`)
console.log(`${passed} passed, ${failed} failed`)
process.exit(wrong === 0 ? 0 : 1)
