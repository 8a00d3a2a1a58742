import { isObject, type Json, sameJson } from './json.js'

/** What an expression can ask for. Each place in a topology gives some of them. */
export type Variable = 'key' | 'value' | 'agg' | 'left' | 'right' | 'windowStart' | 'windowEnd'

/** The values of the variables in one evaluation. */
export type Variables = { readonly [name in Variable]?: Json }

/** A compiled expression. */
export type Evaluate = (variables: Variables) => Json

const VARIABLES: readonly string[] = ['key', 'value', 'agg', 'left', 'right', 'windowStart', 'windowEnd']

type Operation = (args: readonly Evaluate[]) => Evaluate

interface Signature {
  readonly min: number
  readonly max: number
  readonly make: Operation
}

const exactly = (count: number, make: Operation): Signature => ({ min: count, max: count, make })
const atLeast = (count: number, make: Operation): Signature => ({ min: count, max: Number.POSITIVE_INFINITY, make })

const unary = (run: (a: Json) => Json): Signature =>
  exactly(1, ([a]) => {
    const first = a as Evaluate
    return (variables) => run(first(variables))
  })

const binary = (run: (a: Json, b: Json) => Json): Signature =>
  exactly(2, ([a, b]) => {
    const [first, second] = [a, b] as [Evaluate, Evaluate]
    return (variables) => run(first(variables), second(variables))
  })

const arithmetic = (name: string, run: (a: number, b: number) => number | boolean): Signature =>
  binary((a, b) => run(integer(name, a), integer(name, b)))

const OPERATIONS: { readonly [name: string]: Signature } = {
  list: atLeast(0, (parts) => (variables) => parts.map((part) => part(variables))),
  append: binary((items, item) => [...list('append', items), item]),
  concatLists: binary((a, b) => [...list('concatLists', a), ...list('concatLists', b)]),
  removeFirst: binary((items, item) => {
    const from = list('removeFirst', items)
    const at = from.findIndex((other) => sameJson(other, item))
    return at < 0 ? from : from.filter((_, index) => index !== at)
  }),
  '+': arithmetic('+', (a, b) => a + b),
  '-': arithmetic('-', (a, b) => a - b),
  '*': arithmetic('*', (a, b) => a * b),
  max: arithmetic('max', Math.max),
  min: arithmetic('min', Math.min),
  lt: arithmetic('lt', (a, b) => a < b),
  gt: arithmetic('gt', (a, b) => a > b),
  mod: arithmetic('mod', (a, b) => {
    if (b === 0) throw new Error('mod: division by 0')
    return ((a % b) + Math.abs(b)) % Math.abs(b)
  }),
  concat: atLeast(0, (parts) => (variables) => parts.map((part) => text(part(variables))).join('')),
  len: unary((of) => (typeof of === 'string' ? of.length : list('len', of).length)),
  eq: binary(sameJson),
  isNull: unary((of) => of === null),
  not: unary((of) => !truth('not', of)),
  and: atLeast(0, (parts) => (variables) => parts.every((part) => truth('and', part(variables)))),
  or: atLeast(0, (parts) => (variables) => parts.some((part) => truth('or', part(variables)))),
  if: exactly(3, (parts) => {
    const [condition, yes, no] = parts as [Evaluate, Evaluate, Evaluate]
    return (variables) => (truth('if', condition(variables)) ? yes : no)(variables)
  }),
}

/**
 * Compiles an expression: a JSON array is an operation, its first element the operation's name; anything else stands for itself.
 *
 * @param known the variables that there are where the expression stands
 * @throws Error for an operation or variable that isn't known there, and a wrong number of arguments; the result, for an operand
 *   of the wrong type
 */
export function compile(expression: Json, known: readonly Variable[]): Evaluate {
  if (!Array.isArray(expression)) return () => expression
  const [name, ...given] = expression as Json[]
  if (typeof name !== 'string') throw wrong(expression, 'an array is an operation, and begins with its name')
  if (VARIABLES.includes(name)) {
    if (given.length > 0) throw wrong(expression, `${name} takes no arguments`)
    if (!known.includes(name as Variable))
      throw wrong(expression, `there is no ${name} here, only ${known.join(', ') || 'literals'}`)
    return (variables) => variables[name as Variable] ?? null
  }
  if (name === 'field') return field(expression, given, known)
  if (name === 'obj') return object(expression, given, known)
  const operation = Object.hasOwn(OPERATIONS, name) ? OPERATIONS[name] : undefined
  if (operation === undefined) throw wrong(expression, `there is no operation ${name}`)
  const { min, max, make } = operation
  if (given.length < min || given.length > max)
    throw wrong(expression, `${name} takes ${min === max ? min : `at least ${min}`} arguments, got ${given.length}`)
  return make(given.map((argument) => compile(argument, known)))
}

function field(expression: Json, given: readonly Json[], known: readonly Variable[]): Evaluate {
  const [of, name] = given
  if (given.length !== 2 || typeof name !== 'string') throw wrong(expression, 'field takes an expression and a name')
  const evaluate = compile(of as Json, known)
  return (variables) => {
    const value = evaluate(variables)
    return isObject(value) && Object.hasOwn(value, name) ? (value[name] as Json) : null
  }
}

function object(expression: Json, given: readonly Json[], known: readonly Variable[]): Evaluate {
  if (given.length % 2 !== 0) throw wrong(expression, 'obj takes names and expressions in turn')
  const members: [string, Evaluate][] = []
  for (let at = 0; at < given.length; at += 2) {
    const name = given[at]
    if (typeof name !== 'string') throw wrong(expression, 'obj takes names and expressions in turn')
    members.push([name, compile(given[at + 1] as Json, known)])
  }
  return (variables) => Object.fromEntries(members.map(([name, evaluate]) => [name, evaluate(variables)]))
}

const wrong = (expression: Json, why: string) => new Error(`expression ${JSON.stringify(expression)}: ${why}`)

function integer(operation: string, value: Json): number {
  if (typeof value === 'number' && Number.isSafeInteger(value)) return value
  throw new Error(`${operation} works on integers, got ${JSON.stringify(value)}`)
}

function list(operation: string, value: Json): readonly Json[] {
  if (Array.isArray(value)) return value
  throw new Error(`${operation} works on arrays, got ${JSON.stringify(value)}`)
}

function truth(operation: string, value: Json): boolean {
  if (typeof value === 'boolean') return value
  throw new Error(`${operation} works on booleans, got ${JSON.stringify(value)}`)
}

function text(value: Json): string {
  if (typeof value === 'string') return value
  if (value === null || typeof value === 'number') return String(value)
  throw new Error(`concat joins strings, integers and null, got ${JSON.stringify(value)}`)
}
