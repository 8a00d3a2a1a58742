import { readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { build, type Plugin } from 'esbuild'
import { type Mutant, mutate } from './mutations.js'

/** Stands for the corpus among the specs. */
export const CORPUS = 'corpus'

const ROOT = join(import.meta.dirname, '..')

/** A program that lists tests, with mutants asleep in it. */
export interface Program {
  readonly code: string
  readonly mutants: readonly Mutant[]
}

/**
 * Bundles specs and the corpus with lib/, in which every mutant of the target files sleeps.
 *
 * @param targets files of lib/, from the root
 * @param specs spec files, from the root, and {@link CORPUS}
 */
export async function bundleMutants(targets: readonly string[], specs: readonly string[]): Promise<Program> {
  const mutants: Mutant[] = []
  const texts = new Map<string, string>()
  for (const file of targets) {
    const mutated = mutate(file, readFileSync(join(ROOT, file), 'utf8'), mutants.length)
    mutants.push(...mutated.mutants)
    texts.set(file, mutated.text)
  }
  const entry = [
    `import { inFile, listed } from './mutants/harness.ts'`,
    `import { corpusTests } from './mutants/corpusTests.ts'`,
    ...specs.map((spec) => {
      const load = spec === CORPUS ? 'corpusTests(traces)' : `require(${JSON.stringify(`./${spec}`)})`
      return `inFile(${JSON.stringify(spec)}, () => ${load})`
    }),
    'module.exports = { listed }',
  ].join('\n')
  const result = await build({
    stdin: { contents: entry, resolveDir: ROOT, loader: 'ts' },
    bundle: true,
    write: false,
    format: 'cjs',
    platform: 'node',
    target: 'es2022',
    logLevel: 'error',
    external: [
      'rxjs',
      'fast-check',
      'expect',
      'typescript',
      'fake-indexeddb',
      'idb-keyval',
      'classic-level',
      'kafkajs',
    ],
    alias: { '@jest/globals': join(ROOT, 'mutants/harness.ts') },
    plugins: [ofOurs(texts)],
  })
  return { code: result.outputFiles[0]?.text ?? '', mutants }
}

/** Gives the bundler the files with mutants in them, and to others the place they would have of their own. */
const ofOurs = (texts: ReadonlyMap<string, string>): Plugin => ({
  name: 'mutants',
  setup({ onLoad }) {
    onLoad({ filter: /\.ts$/ }, ({ path }) => {
      const file = relative(ROOT, path)
      if (file.startsWith('node_modules')) return undefined
      const contents = (texts.get(file) ?? readFileSync(path, 'utf8'))
        .replaceAll('import.meta.url', JSON.stringify(`file://${path}`))
        .replaceAll('import.meta.dirname', JSON.stringify(join(path, '..')))
      return { contents, loader: 'ts' }
    })
  },
})
