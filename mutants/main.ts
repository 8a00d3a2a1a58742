import { readdirSync, readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { bundleMutants, CORPUS } from './bundle.js'
import { crewOf, type Hand, type Killer } from './crew.js'
import { explained } from './explained.js'
import type { Mutant } from './mutations.js'

const USAGE = `npm run mutants [-- options]
  --only text      mutates files with that in their path only; several with commas
  --tests text     tries them with the specs with that in their path only ("corpus" for the corpus)
  --again file     only what survived, or perhaps did, in the run that printed this
  --explained      tries those that mutants/explained.ts says no test can notice, and says which a test does; else these are left out
  --sample n       so many mutants, drawn by --seed (default 1)
  --jobs n         workers; default: one per processor
  --verbose        says of each mutant what became of it`

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    tests: { type: 'string' },
    again: { type: 'string' },
    explained: { type: 'boolean', default: false },
    sample: { type: 'string' },
    seed: { type: 'string', default: '1' },
    jobs: { type: 'string', default: String(availableParallelism()) },
    verbose: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})
if (values.help) {
  console.log(USAGE)
  process.exit(0)
}

const ROOT = join(import.meta.dirname, '..')
const filesIn = (folder: string, suffix: string): string[] =>
  readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith(suffix) && !/\.(kafka|chromium)\.spec\.ts$/.test(name))
    .map((name) => `${folder}/${name}`)
    .sort()

/** What is mutated, and the specs that are to notice. */
const TARGETS = [
  ...['lib/windows', 'lib/joins', 'lib/tables'].flatMap((folder) => filesIn(folder, '.ts')),
  ...filesIn('lib/operators', '.ts').filter((file) => /\/(aggregat\w+|cogroup|inputTimes)\.ts$/.test(file)),
]
const SPECS = [
  ...['spec/windows', 'spec/joins', 'spec/tables', 'spec/aggregates'].flatMap((folder) => filesIn(folder, '.spec.ts')),
  ...filesIn('spec/operators', '.spec.ts').filter((file) =>
    /\/(aggregat\w+|cogroup|inputTimes|keyBy|sideOutput)\.spec\.ts$/.test(file),
  ),
  // What windows and joins tell of themselves, and what newer versions make of their state.
  'spec/app/explain.spec.ts',
  'spec/app/migrate.spec.ts',
  'spec/app/toldTime.spec.ts',
].filter((file) => !file.endsWith('.kafka.spec.ts'))

interface Measured {
  readonly test: number
  readonly ms: number
}

const began = performance.now()
const matching = (files: readonly string[], parts: string | undefined) =>
  files.filter((file) => parts?.split(',').some((part) => file.includes(part)) ?? true)
const targets = matching(TARGETS, values.only)
const { code, mutants } = await bundleMutants(targets, matching([...SPECS, CORPUS], values.tests))
const crew = await crewOf(Number(values.jobs), code)
const { names, met } = await (crew[0] as Hand).list()
console.log(`${mutants.length} mutants in ${targets.length} files, ${names.length} tests`)

/** Has each hand take the next piece of work until none is left. */
async function share<T>(work: readonly T[], each: (hand: Hand, piece: T) => Promise<void>): Promise<void> {
  const rest = [...work]
  await Promise.all(
    crew.map(async (hand) => {
      for (let piece = rest.shift(); piece !== undefined; piece = rest.shift()) await each(hand, piece)
    }),
  )
}

/** The tests that meet a mutant, those that are over soon first. */
const meeting = new Map<number, Measured[]>(mutants.map(({ id }) => [id, []]))
const broken: string[] = []
await share([...names.keys()], async (hand, test) => {
  const { error, ms, met: reached } = await hand.measure(test)
  if (error !== undefined) {
    broken.push(`${names[test]}: ${error.split('\n')[0]}`)
    return
  }
  for (const id of new Set([...reached, ...met])) meeting.get(id)?.push({ test, ms })
})
for (const tests of meeting.values()) tests.sort((a, b) => a.ms - b.ms)
console.log(`tests measured after ${seconds()} s`)
if (broken.length > 0) {
  console.log(`${broken.length} tests are left out, as they fail without any mutant${values.verbose ? ':' : ''}`)
  if (values.verbose) for (const line of broken) console.log(`  ${line}`)
}

const drawn = sampleOf(values.again === undefined ? mutants : printedBy(values.again))
const isExplained = (mutant: Mutant) =>
  explained.some(
    ({ file, code: line, changes }) => file === mutant.file && line === mutant.code && changes.includes(mutant.change),
  )
const tried = drawn.filter((mutant) => isExplained(mutant) === values.explained)
const survivors: Mutant[] = []
/** Tests that have noticed a mutant of a file, the latest last: the next one may be for them too. */
const killers = new Map<string, number[]>()

/** What to try a mutant with: tests that are known for it, those of the file's own spec, the others. */
function trial({ id, file }: Mutant): Measured[] {
  const known = killers.get(file) ?? []
  const own = file.replace(/^lib\/(.*)\.ts$/, 'spec/$1.spec.ts')
  const rank = ({ test }: Measured) =>
    known.includes(test) ? known.indexOf(test) + 1 : names[test]?.startsWith(own) ? 0 : -1
  return [...(meeting.get(id) as Measured[])].sort((a, b) => rank(b) - rank(a) || a.ms - b.ms)
}

/** A busy machine keeps tests from ending, too. So many that didn't end are believed. */
const ENOUGH_STUCK = 3

/** What notices a mutant, if anything does: a test that fails, or several that don't end. `isDoubtful`: no more than one or two didn't end. */
async function killerOf(hand: Hand, mutant: Mutant): Promise<(Killer & { readonly isDoubtful: boolean }) | undefined> {
  let rest = trial(mutant)
  const stuck: Killer[] = []
  while (rest.length > 0 && stuck.length < ENOUGH_STUCK) {
    const killer = await hand.try(
      mutant.id,
      rest.map(({ test, ms }) => [test, Math.ceil(1_000 + 10 * ms)]),
    )
    if (killer === undefined) break
    if (!killer.isStuck) return { ...killer, isDoubtful: false }
    stuck.push(killer)
    rest = rest.slice(rest.findIndex(({ test }) => test === killer.test) + 1)
  }
  return stuck[0] === undefined ? undefined : { ...stuck[0], isDoubtful: stuck.length < ENOUGH_STUCK }
}

let done = 0
let stuck = 0
const doubtful: Mutant[] = []
await share(tried, async (hand, mutant) => {
  const known = killers.get(mutant.file) ?? []
  const killer = await killerOf(hand, mutant)
  if (killer === undefined) survivors.push(mutant)
  else {
    killers.set(mutant.file, [...known.filter((test) => test !== killer.test), killer.test].slice(-8))
    if (killer.isStuck) stuck++
    if (killer.isDoubtful) doubtful.push(mutant)
    if (values.explained) console.log(`explained, but noticed: ${lineOf(mutant)}\n    ${fateOf(killer)}`)
  }
  done++
  if (values.verbose) console.log(`${lineOf(mutant)}: ${fateOf(killer)}`)
  else if (done % 100 === 0) console.log(`${done} of ${tried.length} after ${seconds()} s`)
})
for (const hand of crew) await hand.end()

if (values.explained) process.exit(0)

const open = survivors.sort((a, b) => a.id - b.id)
for (const mutant of open) {
  const met = (meeting.get(mutant.id) as Measured[]).length
  console.log(`survived: ${lineOf(mutant)}${met === 0 ? '   (no test comes here)' : ''}\n    ${mutant.code}`)
}
for (const mutant of doubtful) console.log(`did not end: ${lineOf(mutant)}\n    ${mutant.code}`)
for (const { file, code: line, changes } of explained) {
  const there = mutants.filter((one) => one.file === file && one.code === line).map(({ change }) => change)
  for (const change of targets.includes(file) ? changes : [])
    if (!there.includes(change)) console.log(`explained, but there is no such mutant: ${file}: ${change}`)
}

console.log(`\n${'file'.padEnd(40)} mutants  killed  explained  survived`)
for (const file of targets) {
  const of = (list: readonly Mutant[]) => list.filter((mutant) => mutant.file === file).length
  const [all, judged, left] = [of(drawn), of(tried), of(open)]
  const cells = [String(all).padStart(7), String(judged - left).padStart(6), String(all - judged).padStart(9)]
  if (all > 0) console.log(`${file.padEnd(40)} ${cells.join('  ')}  ${String(left).padStart(8)}`)
}
const killed = tried.length - open.length
const score = ((100 * killed) / Math.max(1, tried.length)).toFixed(1)
console.log(
  `\n${drawn.length} mutants in ${seconds()} s: ${killed} killed (${stuck} by tests that did not end), ${drawn.length - tried.length} explained, ${open.length} survived; score ${score} %`,
)
process.exit(0)

function fateOf(killer: Killer | undefined): string {
  if (killer === undefined) return 'survived'
  return `${killer.isStuck ? 'did not end: ' : ''}${names[killer.test]}`
}

function seconds(): string {
  return ((performance.now() - began) / 1000).toFixed(0)
}

/** Those that an earlier run has printed at its end, wherever their lines are now. */
function printedBy(output: string): readonly Mutant[] {
  const printed = readFileSync(output, 'utf8')
  const found = [
    ...printed.matchAll(/^(?:survived|did not end): (\S+):\d+ {2}(.*?)(?: {3}\(no test comes here\))?\n {4}(.*)$/gm),
  ]
  const known = new Set(found.map(([, file, change, line]) => [file, line, change].join('\n')))
  return mutants.filter(({ file, code: line, change }) => known.has([file, line, change].join('\n')))
}

function lineOf({ file, line, change }: Mutant): string {
  return `${file}:${line}  ${change}`
}

/** So many of the list, drawn without putting back, always the same for a seed. */
function sampleOf(list: readonly Mutant[]): readonly Mutant[] {
  if (values.sample === undefined) return list
  let state = Number(values.seed) >>> 0
  const random = () => {
    // Mulberry32.
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
  const drawn = [...list]
  for (let at = 0; at < drawn.length; at++) {
    const other = at + Math.floor(random() * (drawn.length - at))
    ;[drawn[at], drawn[other]] = [drawn[other] as Mutant, drawn[at] as Mutant]
  }
  return drawn.slice(0, Number(values.sample)).sort((a, b) => a.id - b.id)
}
