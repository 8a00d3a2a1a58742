import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from '@jest/globals'
import { ROOT, read } from './sources.js'

/** What only one machine has: home folders, work folders, registries other than npm's own. */
const LOCAL = [
  /(?<![\w.~-])\/(?:home|root|work|Users|tmp|mnt|opt)\/[\w.-]+/,
  /"resolved": "(?!https:\/\/registry\.npmjs\.org\/)/,
  /\b(?:https?:\/\/)(?:10|172|192)\.\d+\.\d+\.\d+/,
]

/** This file says what it looks for; the licence is what it is. */
const FREE = ['spec/laws/paths.spec.ts', 'LICENSE']

test('no file names a path of the machine that it was written on', () => {
  const files = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], { cwd: ROOT })
    .toString()
    .split('\n')
    .filter((path) => path !== '' && !FREE.includes(path) && existsSync(join(ROOT, path)))
  expect(files.length).toBeGreaterThan(100)
  const found = files.flatMap((path) =>
    read(path)
      .split('\n')
      .flatMap((line, index) =>
        LOCAL.some((pattern) => pattern.test(line)) ? [`${path}:${index + 1} ${line.trim().slice(0, 120)}`] : [],
      ),
  )
  expect(found).toEqual([])
})
