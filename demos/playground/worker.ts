import { concatMap, EMPTY, filter, from, map, merge, mergeMap, of, tap } from 'rxjs'
import * as tidemark from 'tidemark'
import * as onTime from '../shared/onTime.js'
import { stage } from '../site/stage.js'

/** Of RxJS, what is safe between our operators. */
const rxjs = { concatMap, EMPTY, filter, from, map, merge, mergeMap, of, tap }
/** What a pipeline in the editor may import. */
const modules: { readonly [name: string]: object } = { rxjs, tidemark, '../shared/onTime.js': onTime }
const FILE = 'pipeline.ts'
/** The lines that `Function` puts before the text. */
const LINES_BEFORE = 2

let pipeline: (app: tidemark.App) => unknown

function load(code: string): void {
  const module = { exports: {} as Record<string, unknown> }
  const require = (name: string) => {
    const found = modules[name]
    if (found === undefined)
      throw new Error(`there is no module ${name} here; there are ${Object.keys(modules).join(', ')}`)
    return found
  }
  new Function('require', 'exports', 'module', `${code}\n//# sourceURL=${FILE}`)(require, module.exports, module)
  const { default: build } = module.exports
  if (typeof build !== 'function')
    throw new Error('export a function of the app: export default function (app: App) { … }')
  pipeline = build as typeof pipeline
}

function lineOf(error: unknown): number | undefined {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    const [, line] = new RegExp(`${FILE}:(\\d+)`).exec(cause.stack ?? '') ?? []
    if (line !== undefined) return Number(line) - LINES_BEFORE
  }
  return undefined
}

stage((app) => pipeline(app), { lineOf, load })
