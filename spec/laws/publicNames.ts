import { dirname, posix } from 'node:path'
import ts from 'typescript'
import { parse, read } from './sources.js'

/** The names that a file exports, types included, sorted. */
export function exportedNames(path: string): string[] {
  const names: string[] = []
  for (const statement of parse(path).statements) {
    if (ts.isExportDeclaration(statement)) {
      const { exportClause, moduleSpecifier } = statement
      if (exportClause === undefined) names.push(...exportedNames(sourceOf(path, moduleSpecifier as ts.StringLiteral)))
      else if (ts.isNamedExports(exportClause)) names.push(...exportClause.elements.map(({ name }) => name.text))
    } else if (ts.canHaveModifiers(statement) && ts.getModifiers(statement)?.some(isExport)) {
      if (ts.isVariableStatement(statement))
        names.push(...statement.declarationList.declarations.map(({ name }) => name.getText()))
      else names.push(((statement as ts.DeclarationStatement).name as ts.Identifier).text)
    }
  }
  return [...new Set(names)].sort()
}

const isExport = ({ kind }: ts.ModifierLike) => kind === ts.SyntaxKind.ExportKeyword

const sourceOf = (path: string, specifier: ts.StringLiteral) =>
  posix.join(dirname(path), specifier.text).replace(/\.js$/, '.ts')

/** The source file of each subpath that package.json exports, as `lib/index.ts` for `tidemark`. */
export function entries(): Map<string, string> {
  const { exports } = JSON.parse(read('package.json')) as { exports: Record<string, { types?: string }> }
  return new Map(
    Object.entries(exports).flatMap(([subpath, { types }]) =>
      types === undefined
        ? []
        : [[posix.join('tidemark', subpath), types.replace('./dist', 'lib').replace('.d.ts', '.ts')] as const],
    ),
  )
}
