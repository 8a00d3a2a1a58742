import * as rxjs from 'rxjs'
import ts from 'typescript'
import { entries, exportedNames } from './publicNames.js'
import { filesIn, read } from './sources.js'

export interface Example {
  /** File and line. */
  readonly place: string
  /** A whole module. */
  readonly module: string
}

/** The ts blocks of the documentation and of the docstrings in lib/, as modules. */
export function examples(): Example[] {
  const pages = ['README.md', ...filesIn('docs').filter((path) => path.endsWith('.md'))]
  const sources = filesIn('lib').filter((path) => path.endsWith('.ts'))
  return [...pages, ...sources].flatMap((path) => {
    const fence = path.endsWith('.md') ? /^```ts\n(.*?)^```$/gms : /^ *\* ```ts\n(.*?)^ *\* ```$/gms
    return [...read(path).matchAll(fence)].map((match) => {
      const block = (match[1] as string).replace(path.endsWith('.md') ? /^$/ : /^ *\* ?/gm, '')
      const line = read(path).slice(0, match.index).split('\n').length
      return { place: `${path}:${line}`, module: withImports(block) }
    })
  })
}

const STAGE = 'spec/laws/docsStage.ts'

/** Where a name comes from that an example doesn't import: the stage, Tidemark, RxJS, in this order. */
const origins = new Map<string, string>()
for (const name of Object.keys(rxjs)) origins.set(name, 'rxjs')
origins.set('OperatorFunction', 'rxjs')
for (const [subpath, path] of entries()) for (const name of exportedNames(path)) origins.set(name, subpath)
for (const name of exportedNames(STAGE)) origins.set(name, './stage')
// These have the same name in the browser and in Node, and there is no telling which is meant.
origins.delete('process')

function withImports(block: string): string {
  const { free, declared } = names(block)
  const lines = ['export {}']
  for (const name of free) {
    const origin = name === 'process' && block.includes('process<') ? 'tidemark' : origins.get(name)
    if (origin !== undefined && !declared.has(name)) lines.push(`import { ${name} } from '${origin}'`)
  }
  return `${lines.join('; ')}\n${block}`
}

function names(block: string): { free: Set<string>; declared: Set<string> } {
  const free = new Set<string>()
  const declared = new Set<string>()
  const visit = (node: ts.Node): void => {
    if (ts.isIdentifier(node)) {
      const { parent } = node
      const isMember = ts.isPropertyAccessExpression(parent) && parent.name === node
      const isLabel =
        (ts.isClassElement(parent) || ts.isTypeElement(parent) || ts.isObjectLiteralElement(parent)) &&
        parent.name === node
      if (
        'name' in parent &&
        parent.name === node &&
        !isMember &&
        !isLabel &&
        !ts.isShorthandPropertyAssignment(parent)
      )
        declared.add(node.text)
      else if (!isMember && (!isLabel || ts.isShorthandPropertyAssignment(parent))) free.add(node.text)
    }
    ts.forEachChild(node, visit)
  }
  visit(ts.createSourceFile('example.ts', block, ts.ScriptTarget.ES2022, true))
  return { free, declared }
}
