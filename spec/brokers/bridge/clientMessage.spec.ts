import fc from 'fast-check'
import { clientMessage, parseJson } from '../../../lib/brokers/bridge/clientMessage.js'
import { TidemarkError } from '../../../lib/record/errors.js'

const TYPES = ['hello', 'topics', 'ranges', 'open', 'credit', 'close', 'pong', 'constructor', '__proto__', 'toString']
const FIELDS = ['id', 'topic', 'partition', 'from', 'to', 'credit', 'bytes', 'names', 'protocol', 'token']

/** What passes has these fields, and of these types. */
const EXPECTED: Record<string, Record<string, (value: unknown) => boolean>> = {
  hello: { protocol: isWhole },
  topics: { id: isWhole },
  ranges: { id: isWhole, topic: isText },
  open: { id: isWhole, topic: isText, partition: isWhole, credit: isWhole },
  credit: { id: isWhole, bytes: isWhole },
  close: { id: isWhole },
  pong: {},
}

function isWhole(value: unknown): boolean {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= Number.MAX_SAFE_INTEGER
}

function isText(value: unknown): boolean {
  return typeof value === 'string'
}

const value = fc.oneof(fc.nat(), fc.string(), fc.jsonValue({ maxDepth: 2 }) as fc.Arbitrary<unknown>)
const message = fc.tuple(fc.constantFrom(...TYPES), fc.dictionary(fc.constantFrom(...FIELDS), value))

test('whatever comes is a message with all its fields, or BAD_MESSAGE', () => {
  let passed = 0
  const check = (given: unknown) => {
    try {
      const { type, ...fields } = clientMessage(given) as { type: string } & Record<string, unknown>
      passed++
      for (const [field, holds] of Object.entries(EXPECTED[type] ?? { never: () => false }))
        expect([type, field, holds(fields[field])]).toEqual([type, field, true])
    } catch (error) {
      if (!(error instanceof TidemarkError)) throw error
      expect(error.code).toBe('BAD_MESSAGE')
    }
  }
  fc.assert(
    fc.property(message, ([type, fields]) => check(JSON.parse(JSON.stringify({ ...fields, type })))),
    { numRuns: 5_000, seed: 5 },
  )
  fc.assert(fc.property(fc.jsonValue(), check), { numRuns: 500, seed: 6 })
  expect(passed).toBeGreaterThan(300)
})

test('text that is no JSON is BAD_MESSAGE', () => {
  for (const text of ['', '{', 'undefined', "{'type':'pong'}", `${'['.repeat(5)}`])
    expect(() => parseJson(text)).toThrow('BAD_MESSAGE')
})
