import { join } from 'node:path'
import { expect, test } from '@jest/globals'
import { build } from 'esbuild'
import { ROOT } from './sources.js'

// esbuild has no Node modules for a browser: an import of one, anywhere beneath the entry, is an error of the build.
test.each([
  ['tidemark', 'lib/index.ts', ['rxjs', 'tslib']],
  ['tidemark/replay', 'lib/replay/index.ts', ['rxjs', 'tslib']],
  ['tidemark/idb', 'lib/stores/idb.ts', ['idb-keyval']],
  ['tidemark/marbles', 'lib/marbles/index.ts', []],
  ['tidemark/remote', 'lib/brokers/remote.ts', ['eventsource-parser']],
  ['tidemark/tabs', 'lib/brokers/tabs.ts', []],
])('%s is bundled for the browser without anything of Node', async (_name, entry, expected) => {
  const { errors, metafile } = await build({
    entryPoints: [join(ROOT, entry)],
    bundle: true,
    write: false,
    metafile: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    logLevel: 'silent',
  })
  expect(errors).toEqual([])
  const outside = Object.values(metafile.outputs).flatMap(({ imports }) => imports.map(({ path }) => path))
  expect(outside).toEqual([])
  const packages = Object.keys(metafile.inputs).flatMap((path) => /node_modules\/([^/]+)/.exec(path)?.[1] ?? [])
  expect([...new Set(packages)].sort()).toEqual(expected)
})
