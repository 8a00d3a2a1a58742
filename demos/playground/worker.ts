import type { App } from 'tidemark'
import * as onTime from '../shared/onTime.js'
import { stage } from '../site/stage.js'
import * as rxjs from './rxjsNames.js'
import * as usual from './usualNames.js'

const FILE = 'pipeline.ts'
/** The lines that `Function` puts before the text. */
const LINES_BEFORE = 2

let pipeline: (app: App) => unknown

/** What a pipeline in the editor may import. All of Tidemark is loaded only for those that use more than the usual part of it. */
async function modulesFor(code: string): Promise<{ readonly [name: string]: object }> {
  const used = Array.from(code.matchAll(/\b_tidemark\.(\w+)/g), ([, name]) => name as string)
  const tidemark = used.every((name) => name in usual) ? usual : await import('./allNames.js')
  return { rxjs, tidemark, '../shared/onTime.js': onTime }
}

async function load(code: string): Promise<void> {
  const modules = await modulesFor(code)
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
