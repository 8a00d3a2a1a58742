import { createRequire } from 'node:module'
import { Script } from 'node:vm'
import { parentPort, workerData } from 'node:worker_threads'
import { readTraces } from '../conformance/files.js'
import type { Listed } from './harness.js'

/* Runs tests of the bundle, with one mutant awake or none. */
export type Order =
  | { readonly do: 'list' }
  /** Runs each test for itself, and tells which mutants it met. */
  | { readonly do: 'measure'; readonly test: number }
  /** Runs tests until one fails. */
  | {
      readonly do: 'try'
      readonly mutant: number
      readonly tests: readonly (readonly [test: number, limitMs: number])[]
    }

export type Answer =
  /** `met`: mutants that loading alone meets. */
  | { readonly names: readonly string[]; readonly met: readonly number[] }
  | { readonly error: string | undefined; readonly ms: number; readonly met: readonly number[] }
  /** `isStuck`: by a test that didn't end, and may go on for ever. */
  | { readonly killedBy: number | undefined; readonly isStuck: boolean }
  /** A test begins: whoever hears nothing for so long may end this worker. */
  | { readonly begins: number; readonly limitMs: number }

const { code, root, folders } = workerData as {
  readonly code: string
  readonly root: string
  readonly folders: string[]
}
const port = parentPort as NonNullable<typeof parentPort>
const script = new Script(`(function (require, module, traces, __mutant) {${code}\n})`, { filename: 'mutants.cjs' })
const require = createRequire(root)
// Read once, and not with each program.
const traces = readTraces(folders)

let met = new Set<number>()

interface Program {
  readonly tests: readonly Listed[]
  readonly control: { awake: number }
}

/** A fresh program: what the last mutant left behind is of no concern to the next. */
function load(awake: number): Program {
  const control = { awake }
  const module = { exports: {} as { listed(): readonly Listed[] } }
  script.runInThisContext()(require, module, traces, (id: number) => {
    met.add(id)
    return id === control.awake
  })
  return { tests: module.exports.listed(), control }
}

let asleep: Program | undefined

const LOADING_MS = 10_000

class Late extends Error {}

async function passes(test: Listed, limitMs: number): Promise<Error | undefined> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Late(`not over after ${limitMs} ms`)), limitMs)
  })
  try {
    await Promise.race([test.run(), late])
    return undefined
  } catch (error) {
    return error as Error
  } finally {
    clearTimeout(timer)
  }
}

async function obey(order: Order): Promise<Answer> {
  if (order.do === 'list') {
    asleep = load(-1)
    return { names: asleep.tests.map(({ name }) => name), met: [...met] }
  }
  if (order.do === 'measure') {
    asleep ??= load(-1)
    met = new Set()
    const began = performance.now()
    const error = await passes(asleep.tests[order.test] as Listed, 60_000)
    return { error: error?.message, ms: performance.now() - began, met: [...met] }
  }
  // Loading runs code of the specs, and a mutant may keep it from ever ending.
  const [first] = order.tests[0] as (typeof order.tests)[number]
  port.postMessage({ begins: first, limitMs: LOADING_MS } satisfies Answer)
  let program: Program
  try {
    program = load(order.mutant)
  } catch {
    return { killedBy: first, isStuck: false }
  }
  for (const [test, limitMs] of order.tests) {
    port.postMessage({ begins: test, limitMs } satisfies Answer)
    const error = await passes(program.tests[test] as Listed, limitMs)
    if (error === undefined) continue
    program.control.awake = -1
    return { killedBy: test, isStuck: error instanceof Late }
  }
  return { killedBy: undefined, isStuck: false }
}

// A mutant's stray errors are its own: what counts is whether a test fails.
process.on('unhandledRejection', () => {})
process.on('uncaughtException', () => {})

port.on('message', (order: Order) => {
  obey(order).then(
    (answer) => port.postMessage(answer),
    (error) => {
      throw error
    },
  )
})
