import { parseArgs } from 'node:util'
import { compare } from './compare.js'
import { CORPUS, readTraces } from './files.js'
import { describeAside, describeFailure, type FileReport, table, totals } from './report.js'
import { runCase } from './run.js'
import { STORES, type StoreName, storeMaker } from './stores.js'

const USAGE = `npm run conformance [-- folder-or-file …] [options]
  --only name        topologies of that name only; several with commas, * stands for anything
  --store kind       ${STORES.join(', ')}; default memory
  --restart n        crashes the app at every n-th step and starts it again
  --verbose          drop counts and stores that differ, and every failing case`

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    only: { type: 'string' },
    store: { type: 'string', default: 'memory' },
    restart: { type: 'string' },
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
const store = await storeMaker(values.store as StoreName)
const reports: FileReport[] = []
for (const file of files) {
  const cases = []
  for (const trace of file.cases)
    cases.push(compare(trace, await runCase(file, trace, { store: store.make, restartEvery })))
  reports.push({ file, cases })
}
store.clear()

const plain = reports.filter(({ file }) => file.quirk === undefined)
const quirks = reports.filter(({ file }) => file.quirk !== undefined)
for (const { file, cases } of reports) {
  const failed = cases.filter((one) => !one.isPassed)
  for (const one of values.verbose ? failed : failed.slice(0, 1)) console.log(`${describeFailure(file.name, one)}\n`)
  if (values.verbose) for (const one of cases) for (const line of describeAside(file.name, one)) console.log(line)
}
if (plain.length > 0) console.log(`${table(plain)}\n`)
if (quirks.length > 0)
  console.log(`Told apart, as they come from how Kafka Streams keeps its stores:\n${table(quirks)}\n`)
const { passed, failed, wrong } = totals(reports)
const steps = files.flatMap(({ cases }) => cases).reduce((sum, { steps }) => sum + steps.length, 0)
console.log(`${steps} steps on ${values.store} in ${((performance.now() - began) / 1000).toFixed(1)} s`)
console.log(`${passed} passed, ${failed} failed`)
process.exit(wrong === 0 ? 0 : 1)
