import ts from 'typescript'

/** One small fault that could be in a file. */
export interface Mutant {
  readonly id: number
  readonly file: string
  readonly line: number
  /** The line of code, and what is changed in it: what a mutant is known by when lines move. */
  readonly code: string
  readonly change: string
}

/** A file with all its mutants in it: each sleeps until `__mutant(id)` says true. */
export interface Mutated {
  readonly text: string
  readonly mutants: readonly Mutant[]
}

interface Variant {
  readonly change: string
  /** What stands there instead; empty for a statement: nothing. */
  readonly text: string
}

/** Puts all mutants into a file, numbered from `firstId` on. */
export function mutate(file: string, source: string, firstId: number): Mutated {
  const tree = ts.createSourceFile(file, source, ts.ScriptTarget.ES2022, true)
  const lines = source.split('\n')
  const mutants: Mutant[] = []

  function numbered(node: ts.Node, { change }: Variant): number {
    const { line } = tree.getLineAndCharacterOfPosition(node.getStart(tree))
    const id = firstId + mutants.length
    const same = mutants.filter(
      (other) => other.line === line + 1 && other.change.replace(/ #\d+$/, '') === change,
    ).length
    const name = same === 0 ? change : `${change} #${same + 1}`
    mutants.push({ id, file, line: line + 1, code: (lines[line] as string).trim(), change: name })
    return id
  }

  function render(node: ts.Node): string {
    const start = node.getStart(tree)
    if (isLeftAlone(node)) return source.slice(start, node.end)
    const variants = variantsOf(node)
    const ids = variants.map((variant) => numbered(node, variant))
    let text = ''
    let at = start
    ts.forEachChild(node, (child) => {
      text += source.slice(at, child.getStart(tree)) + render(child)
      at = child.end
    })
    text += source.slice(at, node.end)
    if (variants.length === 0) return text
    if (isRemovable(node)) return `{if(!__mutant(${ids[0]})){${text}}}`
    return `${variants.map((variant, index) => `(__mutant(${ids[index]})?(${variant.text}):`).join('')}(${text})${')'.repeat(variants.length)}`
  }

  return { text: render(tree), mutants }
}

/** Types, and the words of errors: nothing in them could fail a test. */
function isLeftAlone(node: ts.Node): boolean {
  return (
    ts.isTypeNode(node) ||
    ts.isInterfaceDeclaration(node) ||
    ts.isTypeAliasDeclaration(node) ||
    ts.isImportDeclaration(node) ||
    ts.isExportDeclaration(node) ||
    ts.isThrowStatement(node) ||
    (ts.isPropertyName(node) &&
      ts.isNumericLiteral(node) &&
      ts.isPropertyAssignment(node.parent) &&
      node.parent.name === node) ||
    (ts.isNewExpression(node) && node.expression.getText() === 'TidemarkError')
  )
}

const isRemovable = (node: ts.Node): boolean =>
  ts.isExpressionStatement(node) ||
  ts.isBreakOrContinueStatement(node) ||
  (ts.isReturnStatement(node) && node.expression === undefined)

const OPERATORS: { readonly [operator: string]: readonly string[] } = {
  '<': ['<=', '>='],
  '<=': ['<', '>'],
  '>': ['>=', '<='],
  '>=': ['>', '<'],
  '===': ['!=='],
  '!==': ['==='],
  '+': ['-'],
  '-': ['+'],
  '*': ['/'],
  '/': ['*'],
  '%': ['*'],
  '&&': ['||'],
  '||': ['&&'],
  '+=': ['-='],
  '-=': ['+='],
  '||=': ['&&='],
}

const NAMES: { readonly [name: string]: string } = {
  'Math.max': 'Math.min',
  'Math.min': 'Math.max',
  'Number.POSITIVE_INFINITY': 'Number.NEGATIVE_INFINITY',
  'Number.NEGATIVE_INFINITY': 'Number.POSITIVE_INFINITY',
}

function variantsOf(node: ts.Node): Variant[] {
  const text = node.getText()
  const to = (other: string): Variant => ({ change: `${shorten(text)} to ${shorten(other)}`, text: other })
  if (isRemovable(node)) return [{ change: `without ${shorten(text)}`, text: '' }]
  if (isCondition(node)) return [...conditions(node, to), ...variantsWithin(node, to)]
  return variantsWithin(node, to)
}

function variantsWithin(node: ts.Node, to: (other: string) => Variant): Variant[] {
  const text = node.getText()
  if (ts.isBinaryExpression(node)) {
    const [left, operator, right] = [node.left.getText(), node.operatorToken.getText(), node.right.getText()]
    if (operator === '??') return [to(right)]
    return (OPERATORS[operator] ?? []).map((other) => ({
      change: `${operator} to ${other} in ${shorten(text)}`,
      text: `${left} ${other} ${right}`,
    }))
  }
  if (ts.isPrefixUnaryExpression(node)) {
    const operand = node.operand.getText()
    if (node.operator === ts.SyntaxKind.ExclamationToken || node.operator === ts.SyntaxKind.MinusToken)
      return [to(operand)]
    if (node.operator === ts.SyntaxKind.PlusPlusToken) return [to(`--${operand}`)]
    if (node.operator === ts.SyntaxKind.MinusMinusToken) return [to(`++${operand}`)]
  }
  if (ts.isPostfixUnaryExpression(node))
    return [to(`${node.operand.getText()}${node.operator === ts.SyntaxKind.PlusPlusToken ? '--' : '++'}`)]
  if (ts.isNumericLiteral(node)) {
    const value = Number(node.text)
    return (value >= 1 ? [value + 1, value - 1] : [value + 1]).map((other) => to(String(other)))
  }
  if (node.kind === ts.SyntaxKind.TrueKeyword) return [to('false')]
  if (node.kind === ts.SyntaxKind.FalseKeyword) return [to('true')]
  if (ts.isPropertyAccessExpression(node) && Object.hasOwn(NAMES, text)) return [to(NAMES[text] as string)]
  return []
}

const isCondition = (node: ts.Node): boolean => {
  const parent = node.parent as ts.Node | undefined
  if (parent === undefined) return false
  return (
    ((ts.isIfStatement(parent) || ts.isWhileStatement(parent)) && parent.expression === node) ||
    ((ts.isConditionalExpression(parent) || ts.isForStatement(parent)) && parent.condition === node)
  )
}

function conditions(node: ts.Node, to: (other: string) => Variant): Variant[] {
  const { parent } = node
  if (ts.isWhileStatement(parent) || ts.isForStatement(parent))
    return node.kind === ts.SyntaxKind.TrueKeyword ? [] : [to('false')]
  // The other way round, where no operator's mutant says just that.
  const isEquality =
    ts.isBinaryExpression(node) &&
    [ts.SyntaxKind.EqualsEqualsEqualsToken, ts.SyntaxKind.ExclamationEqualsEqualsToken].includes(
      node.operatorToken.kind,
    )
  const isNegation = ts.isPrefixUnaryExpression(node) && node.operator === ts.SyntaxKind.ExclamationToken
  const swapped = isEquality || isNegation ? [] : [to(`!(${node.getText()})`)]
  return [to('true'), to('false'), ...swapped]
}

const shorten = (text: string): string => {
  const line = text.replace(/\s+/g, ' ')
  return line.length > 60 ? `${line.slice(0, 57)}...` : line
}
