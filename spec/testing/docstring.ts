import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from '@jest/globals'

/** Makes sure that a file's docstring draws just these diagrams: what the test runs is what readers see. */
export function expectDrawn(file: string, ...diagrams: readonly string[]): void {
  const comments = readFileSync(join(import.meta.dirname, '../../lib', file), 'utf8').match(/\/\*\*[\s\S]*?\*\//g) ?? []
  for (const diagram of diagrams) expect(comments.join('\n')).toContain(` ${diagram}`)
}
