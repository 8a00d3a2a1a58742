import fc from 'fast-check'
import type { Headers } from 'tidemark'

/** A record as it lies in a topic, whatever it is. */
export interface Given {
  readonly topic: number
  readonly partition: number
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  readonly timestamp: number
  readonly headers: Headers
}

const encoder = new TextEncoder()
const text = (of: fc.Arbitrary<string>) => of.map((one) => encoder.encode(one))

/** Names that something may stumble over, as JSON text and as plain text. */
const names = fc.constantFrom(
  'ann',
  'bob',
  '',
  '__proto__',
  'constructor',
  'toString',
  'a\0b',
  '\ufeff',
  '\ufffd',
  '😀',
  'a/1',
  's',
)
const surrogates = fc.constantFrom('\ud800', '\udc00x', 'x\ud83d')
const numbers = fc.oneof(
  { weight: 20, arbitrary: fc.integer({ min: 0, max: 600_000 }).map(String) },
  {
    weight: 1,
    arbitrary: fc.constantFrom('-1', '-0', '1e308', '1e400', '-1e400', '8.7e15', '0.5', '1e-400', '9007199254740993'),
  },
)
/** Not a number of ms, for an extractor of timestamps. */
const junk = fc.constantFrom('null', '"5"', '[]', '{}', 'true', '"2024-01-01"', '[5]', '{"valueOf":5}')

/** A well-made record, but for what its numbers and names are. */
const order = fc
  .tuple(fc.oneof({ weight: 8, arbitrary: names }, surrogates), fc.oneof({ weight: 9, arbitrary: numbers }, junk))
  .map(([k, t]) => `{"k":${JSON.stringify(k)},"t":${t},"__proto__":{"polluted":true}}`)

/** JSON that is something else. */
const shapes = fc.oneof(
  fc.constantFrom('null', '0', '""', '[]', '{}', 'true', '{"k":null}', '{"t":1}', '[[[]]]', '{"k":{},"t":1}'),
  fc.json({ maxDepth: 3 }),
  fc
    .tuple(fc.constantFrom('[', '{"a":'), fc.constantFrom(990, 1_001, 5_000))
    .map(([open, depth]) => nested(open, depth)),
)

function nested(open: string, depth: number): string {
  return `${open.repeat(depth)}${open === '[' ? '' : '1'}${(open === '[' ? ']' : '}').repeat(depth)}`
}

/** Text in which some bytes are missing, doubled or others. */
const damaged = fc
  .tuple(fc.oneof(order, shapes), fc.nat(), fc.nat(40), fc.constantFrom('cut', 'drop', 'flip', 'double', 'splice'))
  .map(([whole, at, many, how]) => {
    const bytes = encoder.encode(whole.slice(0, 4_000))
    const from = at % (bytes.length + 1)
    const [head, tail] = [bytes.slice(0, from), bytes.slice(from)]
    switch (how) {
      case 'cut':
        return head
      case 'drop':
        return Uint8Array.of(...head, ...tail.slice(many))
      case 'flip':
        return bytes.map((byte, n) => (n === from ? byte ^ (1 + many) : byte))
      case 'double':
        return Uint8Array.of(...head, ...tail, ...tail)
      default:
        return Uint8Array.of(...head, 0xff, 0x00, 0xc3, ...tail)
    }
  })

const value = fc.oneof(
  { weight: 5, arbitrary: text(order) },
  { weight: 1, arbitrary: text(shapes) },
  { weight: 2, arbitrary: damaged },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 24 }) },
  { weight: 1, arbitrary: fc.constant(null) },
)

const key = fc.oneof(
  { weight: 4, arbitrary: text(names) },
  { weight: 2, arbitrary: text(names.map((name) => JSON.stringify(name))) },
  {
    weight: 1,
    arbitrary: text(fc.constantFrom('1', '[1,"a"]', '[[["a"]]]', '{}', 'null', '[null]', '1e400', '"\\ud800"')),
  },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 6 }) },
  { weight: 1, arbitrary: fc.constant(null) },
)

const timestamp = fc.oneof(
  { weight: 20, arbitrary: fc.integer({ min: 0, max: 600_000 }) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      -1,
      -1e300,
      1e300,
      8.7e15,
      0.5,
      Number.NaN,
      Number.POSITIVE_INFINITY,
      Number.NEGATIVE_INFINITY,
    ),
  },
)

const header = fc.tuple(
  fc.constantFrom('tidemark-time', 'tidemark-window', '__proto__', '', 'a', 'a'),
  fc.oneof(
    text(fc.constantFrom('w-9000000000000000@left/0', 'Wi9@left/1', 's-Infinity@', '0,60000,1', 'NaN,,', '')),
    fc.uint8Array({ maxLength: 8 }),
    fc.constant(null),
  ),
)
const headers: fc.Arbitrary<Headers> = fc.oneof(
  { weight: 5, arbitrary: fc.constant<Headers>([]) },
  { weight: 1, arbitrary: fc.array(header, { maxLength: 4 }) },
)

/** Records for so many topics of two partitions each. */
export const given = (topics: number): fc.Arbitrary<Given> =>
  fc.record({ topic: fc.nat(topics - 1), partition: fc.nat(1), key, value, timestamp, headers })
