import { describe, expect, test } from '@jest/globals'
import { type Import, importsOfLib } from './sources.js'

/**
 * The floors of lib/, from the ground up. A folder may use what lies below its floor; folders on one floor don't visit
 * each other. What hangs on the ports (brokers, stores) uses `record` and `ports` alone; `index` is the roof.
 */
const FLOORS = [
  ['record'],
  ['ports'],
  ['task'],
  ['aggregates'],
  ['tables'],
  ['windows'],
  ['operators', 'joins', 'marbles'],
  ['app'],
]
const ADAPTERS = ['brokers', 'stores']
const ROOFS = ['index', 'replay', 'testing', 'cli']

/** Packages besides rxjs, and Node's own modules, with the only rooms that may know them. */
const PACKAGES: Record<string, RegExp> = {
  'classic-level': /^stores\/level$/,
  'idb-keyval': /^stores\/idb$/,
  commander: /^cli\/tidemark$/,
  pg: /^stores\/postgres/,
  kafkajs: /^brokers\/kafka(\/|$)/,
  ws: /^brokers\/bridge(\/|$)/,
  'eventsource-parser': /^brokers\/remote\/eventStreamLink$/,
  // The config that a command is told to read.
  'computed:': /^cli\/connectionOptions$/,
  'node:': /^(stores\/level|stores\/postgres\w*|brokers\/kafka|brokers\/bridge|cli)(\/|$)/,
}

/** The files that take more than types from rxjs: the seam, and who makes an Observable that no operator is. */
const RXJS_USERS = /^(task\/.*|app\/runtime|operators\/sideOutput|replay\/.*|testing\/.*)$/

const imports = importsOfLib()
const ours = imports.filter((one) => one.isOurs)
const floorOf = (folder: string) => FLOORS.findIndex((floor) => floor.includes(folder))
const folderOf = (file: string) => file.split('/')[0] as string
const show = ({ from, to }: Import) => `${from} -> ${to}`
const unique = (names: readonly string[]) => [...new Set(names)].sort()

function isAllowed({ from, to }: Import): boolean {
  const [a, b] = [folderOf(from), folderOf(to)]
  if (a === b || ROOFS.includes(a)) return true
  if (ADAPTERS.includes(a)) return b === 'record' || b === 'ports'
  return floorOf(b) >= 0 && floorOf(b) < floorOf(a)
}

describe('imports', () => {
  test('every folder of lib/ has its floor', () => {
    const folders = unique(imports.map(({ from }) => folderOf(from)))
    expect(folders.filter((name) => ![...FLOORS.flat(), ...ADAPTERS, ...ROOFS].includes(name))).toEqual([])
  })

  test('go down only', () => {
    expect(unique(ours.filter((one) => !isAllowed(one)).map(show))).toEqual([])
  })

  test('have no cycles among files', () => {
    expect(cycles(ours.filter((one) => !one.isType))).toEqual([])
  })

  test('reach no adapter: any of them could be deleted and the rest would compile', () => {
    const adapters = /^(brokers|stores)\/(kafka|embedded|bridge|remote|tabs|level|idb|postgres|memory)(\/|$)/
    const reached = ours.filter(
      ({ from, to }) =>
        !['index', 'cli'].includes(folderOf(from)) &&
        adapters.exec(to) !== null &&
        adapters.exec(from)?.[2] !== adapters.exec(to)?.[2],
    )
    expect(reached.map(show)).toEqual([])
  })

  test('of a package stand in one room', () => {
    const strangers = imports.filter(({ from, to, isOurs }) => {
      if (isOurs || to === 'rxjs') return false
      const known = Object.keys(PACKAGES).find((name) => to === name || (name.endsWith(':') && to.startsWith(name)))
      return known === undefined || !(PACKAGES[known] as RegExp).test(from)
    })
    expect(strangers.map(show)).toEqual([])
  })

  test('of rxjs beyond types stand where Observables are made', () => {
    const users = imports.filter(({ to, isType }) => to === 'rxjs' && !isType).map(({ from }) => from)
    expect(unique(users).filter((file) => !RXJS_USERS.test(file))).toEqual([])
  })
})

/** Sets of files that import each other, by Tarjan's algorithm. */
function cycles(edges: readonly Import[]): string[] {
  const next = new Map<string, string[]>()
  for (const { from, to } of edges) next.set(from, [...(next.get(from) ?? []), to])
  const index = new Map<string, number>()
  const low = new Map<string, number>()
  const stack: string[] = []
  const found: string[] = []
  const visit = (file: string): void => {
    index.set(file, index.size)
    low.set(file, index.get(file) as number)
    stack.push(file)
    for (const other of next.get(file) ?? []) {
      if (!index.has(other)) visit(other)
      if (stack.includes(other)) low.set(file, Math.min(low.get(file) as number, low.get(other) as number))
    }
    if (low.get(file) !== index.get(file)) return
    const members = stack.splice(stack.indexOf(file))
    if (members.length > 1) found.push(members.sort().join(' '))
  }
  for (const file of next.keys()) if (!index.has(file)) visit(file)
  return found.sort()
}
