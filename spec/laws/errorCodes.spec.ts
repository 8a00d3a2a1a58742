import { describe, expect, test } from '@jest/globals'
import ts from 'typescript'
import { filesIn, parse, read } from './sources.js'

const ERRORS = 'lib/record/errors.ts'

/** The text of every string literal beneath a node. */
function literals(node: ts.Node): string[] {
  const found: string[] = []
  const visit = (at: ts.Node): void => {
    if (ts.isStringLiteral(at)) found.push(at.text)
    ts.forEachChild(at, visit)
  }
  visit(node)
  return found
}

const union = parse(ERRORS).statements.find(
  (statement): statement is ts.TypeAliasDeclaration =>
    ts.isTypeAliasDeclaration(statement) && statement.name.text === 'ErrorCode',
) as ts.TypeAliasDeclaration
const codes = literals(union)

describe('error codes', () => {
  test('are written in order, in capitals', () => {
    expect(codes).toEqual([...new Set(codes)].sort())
    expect(codes.filter((code) => !/^[A-Z][A-Z_]+$/.test(code))).toEqual([])
  })

  test('each have a section in docs/errors.md, in the same order', () => {
    const sections = [...read('docs/errors.md').matchAll(/^## `?([A-Z_]+)`?$/gm)].map(([, code]) => code)
    expect(sections).toEqual(codes)
  })

  test('are each thrown somewhere', () => {
    const used = new Set(
      filesIn('lib')
        .filter((path) => path.endsWith('.ts') && path !== ERRORS && !path.startsWith('lib/testing/'))
        .flatMap((path) => literals(parse(path))),
    )
    expect(codes.filter((code) => !used.has(code))).toEqual([])
  })
})
