import { expect, test } from '@jest/globals'
import fc from 'fast-check'
import { type EntryLine, entryLine, entryOf } from '../../../lib/app/checkpointFile/entryLine.js'
import { type Key, keyText } from '../../../lib/record/key.js'
import { utf8 } from '../../../lib/record/serde.js'
import { stateKey } from '../../../lib/task/state.js'
import { encode } from '../../../lib/task/storedValue.js'

const FORMS = { plain: 'by key', windows: 'by window and key', series: 'by time and key' } as const
const formOf = (state: string) => FORMS[state as keyof typeof FORMS]

const entry = (state: string, filed: string, value: unknown, timestamp = 0) =>
  [stateKey(state, filed), encode({ key: filed, value, timestamp }, state)] as const

test.each<[string, ReturnType<typeof entry>, string]>([
  ['a value by key', entry('plain', 'sann', { n: 1 }, 7), '"state":"plain","key":"ann","value":{"n":1},"timestamp":7'],
  ['no timestamp', entry('plain', 'n12', 3), '"state":"plain","key":12,"value":3'],
  [
    'one by window',
    entry('windows', '-60000/b1', [1, 2], 5),
    '"state":"windows","key":true,"window":-60000,"value":[1,2],"timestamp":5',
  ],
  [
    'one by time',
    entry('series', '70/2/sann', null, 5),
    '"state":"series","key":"ann","time":70,"seq":2,"value":null,"timestamp":5',
  ],
  [
    'what JSON has no number for',
    entry('plain', 'i12', [Infinity, -Infinity]),
    '"state":"plain","key":{"bigint":"12"},"value":[1e999,-1e999]',
  ],
  ['a key of parts', entry('plain', keyText(['a', [1, false]]), 0), '"state":"plain","key":["a",[1,false]],"value":0'],
  ['a state that no plan has', ['s/gone/sann', utf8.encode('[1]')], '"entry":"s/gone/sann","bytes":"WzFd"'],
  ['bytes that no state writes', ['s/plain/sann', new Uint8Array([255, 0])], '"entry":"s/plain/sann","bytes":"/wA="'],
  [
    'text that would come back otherwise',
    ['s/plain/sann', utf8.encode('[ 1]')],
    '"entry":"s/plain/sann","bytes":"WyAxXQ=="',
  ],
])('%s', (_what, given, line) => {
  const text = entryLine('in/0', given, formOf)
  expect(text).toBe(`{"task":"in/0",${line}}`)
  expect(entryOf(JSON.parse(text) as EntryLine, formOf)).toEqual(given)
})

const { key } = fc.letrec<{ key: Key }>((tie) => ({
  key: fc.oneof(
    { maxDepth: 3 },
    fc.string({ unit: 'binary' }),
    fc.constantFrom('\ud800', '/', '1/2', ''),
    fc.double({ noNaN: true }),
    fc.bigInt(),
    fc.boolean(),
    fc.array(tie('key'), { maxLength: 3 }),
  ),
}))
const finite = fc.double({ noNaN: true, noDefaultInfinity: true })
const value = fc.oneof(fc.jsonValue({ stringUnit: 'binary' }), fc.constantFrom(Infinity, [-Infinity, { a: Infinity }]))

test('every entry comes back byte for byte, readable where its place has numbers', () => {
  fc.assert(
    fc.property(
      key,
      value,
      fc.oneof(fc.constant(0), finite),
      fc.constantFrom(...(Object.keys(FORMS) as (keyof typeof FORMS)[])),
      finite,
      fc.nat(),
      (id, content, timestamp, state, at, seq) => {
        const filed = { plain: '', windows: `${at}/`, series: `${at}/${seq}/` }[state] + keyText(id)
        const given = entry(state, filed, content, timestamp)
        const text = entryLine('in/0', given, formOf)
        expect(text).not.toContain('\n')
        const line = JSON.parse(text) as EntryLine
        expect(entryOf(line, formOf)).toEqual(given)
        if (!Object.is(at, -0)) expect('state' in line).toBe(true)
      },
    ),
    { seed: 81, numRuns: 1_000 },
  )
})
