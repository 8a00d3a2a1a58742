import type { CaseReport, Difference } from './compare.js'
import type { OutputRecord, StoreEntry } from './format.js'
import type { FileReport } from './runFile.js'

export interface Totals {
  readonly passed: number
  readonly failed: number
  /** Among the failed: cases whose file isn't marked as a quirk. */
  readonly wrong: number
}

export function totals(reports: readonly FileReport[]): Totals {
  const all = reports.flatMap(({ isQuirk, cases }) => cases.map((one) => ({ isQuirk, one })))
  const failed = all.filter(({ one }) => !one.isPassed)
  return {
    passed: all.length - failed.length,
    failed: failed.length,
    wrong: failed.filter(({ isQuirk }) => !isQuirk).length,
  }
}

const HEADER = ['topology', 'cases', 'outputs', 'dropped', 'stores', '']

/** A line per topology: how many of its cases, outputs, drop counts and stores are equal. */
export function table(reports: readonly FileReport[]): string {
  const rows = reports.map(({ name, cases }) => {
    const stores = cases.flatMap((one) => one.stores)
    return [
      name,
      of(cases.filter((one) => one.isPassed).length, cases.length),
      of(
        sum(cases, (one) => one.outputs.equal),
        sum(cases, (one) => one.outputs.expected),
      ),
      of(cases.filter((one) => one.dropped.firstStep === undefined).length, cases.length),
      stores.length === 0 ? '-' : of(stores.filter((store) => store.isEqual).length, stores.length),
      cases.some((one) => !one.isPassed) ? 'FAILED' : cases.some((one) => one.isEager) ? 'eager' : '',
    ]
  })
  const all = [HEADER, ...rows]
  const widths = HEADER.map((_, column) => Math.max(...all.map((row) => (row[column] as string).length)))
  return all
    .map((row) =>
      row
        .map((cell, column) =>
          (column === 0 || column === 5 ? cell.padEnd : cell.padStart).call(cell, widths[column] as number),
        )
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

/** What went wrong first in a case. */
export function describeFailure(name: string, { seed, mode, difference }: CaseReport): string {
  if (difference === undefined) return `${name}, seed ${seed} ${mode}: passed`
  return [`${name}, seed ${seed} ${mode}: step ${difference.index}`, ...describeDifference(difference)].join('\n')
}

function describeDifference({ step, topic, expected, got, error }: Difference): string[] {
  const { input } = step
  return [
    `  input     ${input.topic}: ${recordText(input)}`,
    ...(error === undefined
      ? [...listed(`expected  ${topic}: `, expected, recordText), ...listed(`got       ${topic}: `, got, recordText)]
      : [`  expected  ${expected.length} records`, `  got       ${error}`]),
  ]
}

/** Drop counts and stores of a case that are not what Kafka Streams had. */
export function describeAside(name: string, { seed, mode, dropped, stores }: CaseReport): string[] {
  const lines: string[] = []
  if (dropped.firstStep !== undefined)
    lines.push(`  dropped ${dropped.got}, expected ${dropped.expected}; first at step ${dropped.firstStep}`)
  for (const store of stores) {
    if (store.isEqual) continue
    lines.push(
      `  store ${store.name}`,
      ...listed('  expected ', store.expected, entryText),
      ...(store.got === undefined
        ? ['    got       nothing: no such store']
        : listed('  got      ', store.got, entryText)),
    )
  }
  return lines.length === 0 ? [] : [`${name}, seed ${seed} ${mode}:`, ...lines]
}

function listed<T>(title: string, items: readonly T[], show: (item: T) => string): string[] {
  if (items.length === 0) return [`  ${title}nothing`]
  return items.map((item, index) => `  ${index === 0 ? title : ' '.repeat(title.length)}${show(item)}`)
}

const recordText = ({ key, value, timestamp, window }: Omit<OutputRecord, 'topic'>): string =>
  `${key}${window === undefined ? '' : ` [${window.start}, ${window.end}]`} = ${JSON.stringify(value)} @ ${timestamp}`

const entryText = ({ key, value, timestamp, window }: StoreEntry): string =>
  `${key}${window === undefined ? '' : ` [${window.start}, ${window.end}]`} = ${JSON.stringify(value)}${timestamp === undefined ? '' : ` @ ${timestamp}`}`

const of = (some: number, all: number) => `${some}/${all}`
const sum = <T>(list: readonly T[], size: (item: T) => number): number => list.reduce((n, item) => n + size(item), 0)
