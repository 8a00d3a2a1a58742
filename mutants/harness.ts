import { expect } from 'expect'
import fc from 'fast-check'

/*
 * Stands in for `@jest/globals` in the bundle: the specs' tests are listed, and run one by one in this process.
 */
// Whether it fails is enough to know: no search for the smallest example.
fc.configureGlobal({ ...fc.readConfigureGlobal(), endOnFailure: true })

export interface Listed {
  readonly name: string
  readonly run: () => unknown
}

type Body = (...args: never[]) => unknown
type Hook = () => unknown

let prefix: readonly string[] = []
let after: readonly Hook[] = []
const tests: Listed[] = []

/** All tests so far. */
export const listed = (): readonly Listed[] => tests

/** Lists what a spec file has, under its name. */
export function inFile(name: string, load: () => void): void {
  prefix = [name]
  after = []
  load()
}

function describe(name: string, body: () => void): void {
  const [outerPrefix, outerAfter] = [prefix, after]
  prefix = [...prefix, name]
  body()
  prefix = outerPrefix
  after = outerAfter
}

function test(name: string, body: Body): void {
  const hooks = after
  tests.push({
    name: [...prefix, name].join(' › '),
    async run() {
      try {
        await body()
      } finally {
        for (const hook of hooks) await hook()
      }
    },
  })
}

const each =
  (make: (name: string, body: () => unknown) => void) =>
  (rows: readonly unknown[]) =>
  (name: string, body: Body): void => {
    for (const [index, row] of rows.entries())
      make(`${titleOf(name, row)} (${index})`, () =>
        (body as (...args: unknown[]) => unknown)(...(Array.isArray(row) ? row : [row])),
      )
  }

const titleOf = (name: string, row: unknown): string =>
  name
    .replace(/\$(\w+)/g, (whole, field) =>
      typeof row === 'object' && row !== null && field in row ? String((row as Record<string, unknown>)[field]) : whole,
    )
    .replace(/%[sdp]/g, () => String(Array.isArray(row) ? row[0] : row))

describe.each = each((name, body) => describe(name, body as () => void))
test.each = each(test)
test.skip = () => {}
describe.skip = () => {}

const afterEach = (hook: Hook): void => {
  after = [...after, hook]
}

const jest = { setTimeout() {} }

export { afterEach, describe, expect, jest, test }
