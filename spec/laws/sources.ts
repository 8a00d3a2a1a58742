import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, posix } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'

/** The root of the repository. */
export const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/** Paths of all files under a folder of the repository, from its root, with `/` between. */
export function filesIn(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => posix.relative(ROOT, posix.join(entry.parentPath, entry.name)))
    .sort()
}

export const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8')

export function parse(path: string): ts.SourceFile {
  return ts.createSourceFile(path, read(path), ts.ScriptTarget.ES2022, true)
}

/** One import or re-export of a file. */
export interface Import {
  /** Without `lib/` and `.ts`, as `task/scope`. */
  readonly from: string
  /** The same for a file of ours, else the package. */
  readonly to: string
  readonly isOurs: boolean
  /** Only types: nothing of it is left when the program runs. */
  readonly isType: boolean
  /** The names taken, where they are listed. */
  readonly values: readonly string[]
}

/** Every import of lib/. */
export function importsOfLib(): Import[] {
  return filesIn('lib')
    .filter((path) => path.endsWith('.ts'))
    .flatMap((path) => importsOf(path))
}

function importsOf(path: string): Import[] {
  const found: Import[] = []
  const add = (specifier: ts.Node, isType: boolean, values: readonly string[]) => {
    // One that is computed could be anything.
    const text = ts.isStringLiteralLike(specifier) ? specifier.text : 'computed:'
    const isOurs = text.startsWith('.')
    const to = isOurs ? inLib(posix.join(dirname(path), text)) : text
    found.push({ from: inLib(path), to, isOurs, isType, values })
  }
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node)) {
      const { importClause } = node
      const names = importClause?.namedBindings
      const listed = names !== undefined && ts.isNamedImports(names) ? names.elements : []
      const values = listed.filter((name) => !name.isTypeOnly).map((name) => (name.propertyName ?? name.name).text)
      const isPlain = importClause === undefined || importClause.name !== undefined || listed.length === 0
      add(node.moduleSpecifier, importClause?.isTypeOnly === true || !(isPlain || values.length > 0), values)
    } else if (ts.isExportDeclaration(node) && node.moduleSpecifier !== undefined) {
      add(node.moduleSpecifier, node.isTypeOnly, [])
    } else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
      add(node.arguments[0] as ts.Node, false, [])
    } else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) {
      add(node.argument.literal, true, [])
    }
    ts.forEachChild(node, visit)
  }
  visit(parse(path))
  return found
}

const inLib = (path: string): string => path.replace(/^lib\//, '').replace(/\.[jt]s$/, '')
