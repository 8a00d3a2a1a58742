import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from '@jest/globals'
import { until } from '../until.js'
import { ROOT, read } from './sources.js'

const START = 'await app.start()\n'

/** What a step of the page is in, up to where the file is changed rather than added to. */
const [steps] = read('docs/getting-started.md').split('## Over restarts') as [string]
const blocks = (language: string) =>
  [...steps.matchAll(new RegExp(`([^\\n]*)\\n\\n\`\`\`${language}\\n(.*?)^\`\`\`$`, 'gms'))].map(
    ([, before, block]) => ({ before, block: block as string }),
  )

test('the steps of docs/getting-started.md are one file, which prints what is said and ends at Ctrl-C', async () => {
  const parts = blocks('ts').map(({ block }) => block)
  expect(parts.filter((part) => part === START)).toHaveLength(1)
  const folder = mkdtempSync(join(tmpdir(), 'tidemark-getting-started-'))
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'))
  const file = join(folder, 'shop.ts')
  writeFileSync(file, [...parts.filter((part) => part !== START), START].join('\n'))
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')

  const wanted = blocks('text')
    // Nobody waits a minute here.
    .filter(({ before }) => !before?.includes('nearly a minute later'))
    .flatMap(({ block }) => block.trimEnd().split('\n'))
  expect(wanted.length).toBeGreaterThan(30)
  const child = spawn(process.execPath, [join(ROOT, 'node_modules/tsx/dist/cli.mjs'), file], { cwd: ROOT })
  try {
    let said = ''
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (piece) => (said += piece))
    const ended = new Promise((resolve) => child.once('exit', resolve))
    const missing = () => wanted.filter((line) => !said.split('\n').includes(line))
    await until('all lines', () => missing().length === 0, 40_000).catch((error) => {
      throw new Error(`it did not say ${missing().join('\n')}\nbut ${said}`, { cause: error })
    })
    child.kill('SIGINT')
    expect(await ended).toBe(0)
  } finally {
    child.kill('SIGKILL')
    rmSync(folder, { recursive: true })
  }
})
