import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from '@jest/globals'
import { examples } from './examples.js'
import { ROOT } from './sources.js'

test('every example of the documentation compiles', () => {
  // Beneath the repository, so that packages are found from there.
  const folder = join(ROOT, 'node_modules/.cache/examples')
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  copyFileSync(join(ROOT, 'spec/laws/docsStage.ts'), join(folder, 'stage.ts'))
  const all = examples()
  expect(all.length).toBeGreaterThan(2)
  all.forEach(({ module }, index) => {
    writeFileSync(join(folder, `example${index}.ts`), module)
  })
  const paths = Object.fromEntries(
    Object.entries({
      tidemark: 'index',
      'tidemark/kafka': 'brokers/kafka',
      'tidemark/level': 'stores/level',
      'tidemark/idb': 'stores/idb',
      'tidemark/postgres': 'stores/postgres',
      'tidemark/bridge': 'brokers/bridge',
      'tidemark/remote': 'brokers/remote',
      'tidemark/tabs': 'brokers/tabs',
      'tidemark/replay': 'replay/index',
      'tidemark/marbles': 'marbles/index',
      'tidemark/testing': 'testing/index',
    }).map(([name, file]) => [name, [join(ROOT, 'lib', `${file}.ts`)]]),
  )
  const files = ['stage.ts', ...all.map((_, index) => `example${index}.ts`)]
  const compilerOptions = { module: 'ESNext', moduleResolution: 'Bundler', verbatimModuleSyntax: false, paths }
  const config = { extends: join(ROOT, 'tsconfig.json'), compilerOptions, files, include: [] }
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config))
  const { stdout } = spawnSync(process.execPath, [
    join(ROOT, 'node_modules/ts7/bin/tsc'),
    '-p',
    folder,
    '--pretty',
    'false',
  ])
  const told = String(stdout).replace(
    /^(?:.*\/)?example(\d+)\.ts\((\d+),/gm,
    (_text, index, line) => `${all[Number(index)]?.place} +${Number(line) - 1} (`,
  )
  expect(told).toBe('')
})
