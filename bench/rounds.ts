import type { App } from '../lib/index.js'

/** What came out, for comparison with the others, and how long it took. */
export interface Outcome {
  readonly result: string
  readonly seconds: number
}

/** Something to measure: does its work once. */
export interface Contestant {
  readonly name: string
  run(): Outcome | Promise<Outcome>
}

export interface Figure {
  readonly name: string
  /** Records per second, each round. */
  readonly rates: readonly number[]
  readonly median: number
}

/**
 * Runs all contestants in turn, some rounds to warm up and then some that count. Taking turns, what the machine does besides
 * meets them all alike.
 *
 * @throws Error if they don't agree on the result
 */
export async function takeTurns(
  contestants: readonly Contestant[],
  records: number,
  { warmUp, rounds }: { readonly warmUp: number; readonly rounds: number },
): Promise<Figure[]> {
  const rates = contestants.map((): number[] => [])
  let expected: string | undefined
  for (let round = 0; round < warmUp + rounds; round++) {
    for (const [index, contestant] of contestants.entries()) {
      globalThis.gc?.()
      const { result, seconds } = await contestant.run()
      expected ??= result
      if (result !== expected)
        throw new Error(`${contestant.name} gives ${result}, ${contestants[0]?.name} ${expected}`)
      if (round >= warmUp) rates[index]?.push(records / seconds)
    }
  }
  return contestants.map(({ name }, index) => {
    const own = rates[index] as number[]
    return { name, rates: own, median: median(own) }
  })
}

/** Measures what works without waiting for anything. */
export function timed(run: () => string): Outcome {
  const startedAt = performance.now()
  const result = run()
  return { result, seconds: (performance.now() - startedAt) / 1_000 }
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const half = sorted.length >> 1
  return sorted.length % 2 === 1
    ? (sorted[half] as number)
    : ((sorted[half - 1] as number) + (sorted[half] as number)) / 2
}

/** Records that the tasks of an app have handled. */
export const handledBy = (app: App): number => app.stats().tasks.reduce((sum, { records }) => sum + records, 0)

/** Prints the figures as a table; the ratio is to the first. */
export function printFigures(title: string, figures: readonly Figure[]): void {
  const [first] = figures
  console.log(`\n${title}\n`)
  console.log(row(['', 'records/s', 'lowest', 'highest', 'ratio']))
  for (const { name, rates, median: middle } of figures) {
    const ratio = middle / (first as Figure).median
    console.log(
      row([name, thousands(middle), thousands(Math.min(...rates)), thousands(Math.max(...rates)), ratio.toFixed(2)]),
    )
  }
}

const thousands = (rate: number) => `${Math.round(rate / 1_000).toLocaleString('en')} k`

const row = ([name, ...rest]: readonly string[]) =>
  `  ${(name as string).padEnd(44)}${rest.map((cell) => cell.padStart(11)).join('')}`
