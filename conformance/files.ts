import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { TraceFile } from './format.js'

/** The corpus that comes along. */
export const CORPUS = join(import.meta.dirname, 'corpus')

/** Topologies that are put together from several operators. */
export const CHAINS = join(import.meta.dirname, 'chains')

/**
 * Reads trace files: those named, and all in the folders named.
 *
 * @throws Error for a file that holds no topology with cases
 */
export function readTraces(paths: readonly string[], only?: string): TraceFile[] {
  return paths
    .flatMap((path) => (statSync(path).isDirectory() ? filesIn(path) : [path]))
    .map(readTrace)
    .filter(({ name }) => only === undefined || only.split(',').some((wanted) => matches(name, wanted)))
}

const filesIn = (folder: string): string[] =>
  readdirSync(folder)
    .filter((name) => name.endsWith('.json') && name !== 'index.json')
    .sort()
    .map((name) => join(folder, name))

function readTrace(path: string): TraceFile {
  const found = JSON.parse(readFileSync(path, 'utf8')) as Partial<TraceFile>
  if (typeof found.name === 'string' && Array.isArray(found.topology) && Array.isArray(found.cases))
    return found as TraceFile
  throw new Error(`${path} is no trace: it needs a name, a topology and cases`)
}

/** `*` stands for anything. */
function matches(name: string, pattern: string): boolean {
  const parts = pattern.split('*').map((part) => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'))
  return new RegExp(`^${parts.join('.*')}$`).test(name)
}
