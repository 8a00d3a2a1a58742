import { posix } from 'node:path'
import { describe, expect, test } from '@jest/globals'
import ts from 'typescript'
import { filesIn, parse } from './sources.js'

/** What takes no stream and gives none. */
const NOT_OPERATORS = [
  'operators/pattern.ts', // says what `matchPattern` looks for
  'tables/globalTable.ts', // a source
]

/** Refuse to run outside an app, where most laws are held; that of crashes has `toTopic` behind every operator, and `toRows` its own. */
const WITHOUT_LAWS = ['operators/toTopic.ts', 'operators/toRows.ts']

/** The files of lib/ that hold an operator each: those that `tidemark` exports a function of. */
const operators = parse('lib/index.ts')
  .statements.filter(ts.isExportDeclaration)
  .filter(
    ({ isTypeOnly, exportClause }) =>
      !isTypeOnly &&
      exportClause !== undefined &&
      ts.isNamedExports(exportClause) &&
      exportClause.elements.some((name) => !name.isTypeOnly),
  )
  .map(({ moduleSpecifier }) => (moduleSpecifier as ts.StringLiteral).text.replace(/^\.\/(.*)\.js$/, '$1.ts'))
  .filter((file) => /^(operators|windows|joins|tables)\//.test(file) && !NOT_OPERATORS.includes(file))

/** The calls in an operator's specs: `operators/mapAsync.ts` has `mapAsync.spec.ts` and `mapAsync.property.spec.ts`. */
function callsIn(operator: string): ts.CallExpression[] {
  const stem = `spec/${operator.replace(/\.ts$/, '')}`
  const specs = filesIn(posix.dirname(stem)).filter((path) => path.startsWith(`${stem}.`) && path.endsWith('.spec.ts'))
  const calls: ts.CallExpression[] = []
  const visit = (node: ts.Node): void => {
    if (ts.isCallExpression(node)) calls.push(node)
    ts.forEachChild(node, visit)
  }
  for (const spec of specs) visit(parse(spec))
  return calls
}

const textOf = (node: ts.Node | undefined) => (node !== undefined && ts.isStringLiteralLike(node) ? node.text : '')

test('operators are found', () => {
  expect(operators).toContain('operators/aggregate.ts')
  expect(operators.length).toBeGreaterThan(30)
})

describe.each(operators)('%s has', (operator) => {
  const calls = callsIn(operator)
  const callsOf = (name: string) => calls.filter(({ expression }) => expression.getText() === name)

  test('the diagram of its docstring as a test', () => {
    expect(callsOf('expectDrawn').map(({ arguments: [file] }) => textOf(file))).toContain(operator)
  })

  if (!WITHOUT_LAWS.includes(operator))
    test('its laws', () => {
      expect(callsOf('operatorLaws')).not.toEqual([])
    })

  test('its edges', () => {
    const titles = [...callsOf('describe'), ...callsOf('describe.each')].map(({ arguments: [title] }) => textOf(title))
    expect(titles.filter((title) => title.startsWith('edges'))).not.toEqual([])
  })

  test('a property that is held against recomputing, always with the same examples', () => {
    const properties = callsOf('fc.assert')
    expect(properties).not.toEqual([])
    for (const {
      arguments: [, parameters],
    } of properties)
      expect(parameters?.getText()).toMatch(/\bseed\b/)
  })
})
