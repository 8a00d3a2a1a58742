import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect, test } from '@jest/globals'
import { filesIn, ROOT, read } from './sources.js'

const block = (language: string) => new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, 'ms').exec(read('README.md'))?.[1]

test('the first example of README.md is demos/readme.ts, and prints what is said', () => {
  expect(block('ts')).toBe(read('demos/readme.ts'))
  const tsx = join(ROOT, 'node_modules/tsx/dist/cli.mjs')
  expect(execFileSync(process.execPath, [tsx, 'demos/readme.ts'], { cwd: ROOT }).toString()).toBe(block('text'))
})

test('every link of the documentation leads somewhere', () => {
  const pages = ['README.md', ...filesIn('docs').filter((path) => path.endsWith('.md'))]
  const broken = pages.flatMap((page) =>
    [...read(page).matchAll(/\]\((?!https?:)([^)#]+)[^)]*\)/g)]
      .map(([, link]) => link as string)
      .filter((link) => !existsSync(join(ROOT, dirname(page), link)))
      .map((link) => `${page}: ${link}`),
  )
  expect(broken).toEqual([])
})

test('every script that the documentation names is there', () => {
  const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> }
  const text = ['README.md', ...filesIn('docs').filter((path) => path.endsWith('.md'))].map(read).join('\n')
  const named = [...text.matchAll(/npm run ([\w:]+)/g)].map(([, name]) => name as string)
  expect(named.filter((name) => !(name in scripts))).toEqual([])
})
