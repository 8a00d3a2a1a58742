import { finite } from './finite.js'

/**
 * A sum of doubles that has lost nothing: one number or, where one can't hold it, several whose sum it is, ascending and without
 * common bits. So what was added can be taken back, in any order, and nothing of it is left. Jonathan Shewchuk's expansions ("Adaptive Precision
 * Floating-Point Arithmetic and Fast Robust Geometric Predicates", 1997), as in Python's `math.fsum`. Whole numbers up to 2^53 stay one number.
 */
export type ExactSum = number | readonly number[]

/** Adds a number. */
export function plus(sum: ExactSum, x: number): ExactSum {
  if (typeof sum === 'number') {
    const high = sum + x
    const low = lost(high, sum, x)
    return low === 0 ? high : [low, finite(high, 'a sum')]
  }
  const parts: number[] = []
  let rest = x
  for (const part of sum) {
    const high = rest + part
    const low = lost(high, rest, part)
    if (low !== 0) parts.push(low)
    rest = high
  }
  finite(rest, 'a sum')
  if (rest !== 0) parts.push(rest)
  if (parts.length > 2) compress(parts)
  return parts.length > 1 ? parts : (parts[0] ?? 0)
}

/** Moves the bits into as few parts as hold them, in place: downwards once, then upwards. */
function compress(parts: number[]): void {
  let at = parts.length - 1
  let rest = parts[at] as number
  for (let i = at - 1; i >= 0; i--) {
    const part = parts[i] as number
    const high = rest + part
    const low = part - (high - rest)
    if (low !== 0) parts[at--] = high
    rest = low === 0 ? high : low
  }
  let kept = 0
  for (let i = at + 1; i < parts.length; i++) {
    const part = parts[i] as number
    const high = part + rest
    const low = rest - (high - part)
    if (low !== 0) parts[kept++] = low
    rest = high
  }
  parts[kept++] = rest
  parts.length = kept
}

/** Adds a product, which of two doubles has two parts at most: exact while it stays between 1e-290 and 1e300. */
export function plusProduct(sum: ExactSum, x: number, y: number): ExactSum {
  const high = x * y
  if (Number.isSafeInteger(high) && Number.isInteger(x) && Number.isInteger(y)) return plus(sum, high)
  const [x1, x2] = halves(x)
  const [y1, y2] = halves(y)
  return plus(plus(sum, finite(high, 'a product')), x1 * y1 - high + x1 * y2 + x2 * y1 + x2 * y2)
}

/** Adds another sum, or takes it away. */
export function plusSum(sum: ExactSum, other: ExactSum, sign: 1 | -1 = 1): ExactSum {
  let total = sum
  for (const part of partsOf(other)) total = plus(total, sign * part)
  return total
}

/** The product of two sums. */
export function product(a: ExactSum, b: ExactSum): ExactSum {
  let total: ExactSum = 0
  for (const x of partsOf(a)) for (const y of partsOf(b)) total = plusProduct(total, x, y)
  return total
}

/** The double next to the sum; of two equally near the even one. */
export function rounded(sum: ExactSum): number {
  if (typeof sum === 'number') return sum
  let at = sum.length - 1
  let high = sum[at] as number
  let low = 0
  while (at > 0 && low === 0) {
    const part = sum[--at] as number
    const before = high
    high = before + part
    low = part - (high - before)
  }
  // What is left lies just between two doubles: the parts beneath decide.
  const beneath = at > 0 ? (sum[at - 1] as number) : 0
  if ((low < 0 && beneath < 0) || (low > 0 && beneath > 0)) {
    const further = high + low * 2
    if (further - high === low * 2) return further
  }
  return high
}

const partsOf = (sum: ExactSum): readonly number[] => (typeof sum === 'number' ? [sum] : sum)

/** What `high = a + b` has lost by rounding. Knuth's TwoSum. */
function lost(high: number, a: number, b: number): number {
  const roundedB = high - a
  return a - (high - roundedB) + (b - roundedB)
}

/** A double as two of half the bits, whose products are exact. Veltkamp's split. */
function halves(x: number): readonly [number, number] {
  const scaled = x * 134_217_729
  const high = scaled - (scaled - x)
  return [high, x - high]
}
