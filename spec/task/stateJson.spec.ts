import { expect, test } from '@jest/globals'
import { stateJson } from '../../lib/task/stateJson.js'

const [big, small] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]

test.each([
  ['all that JSON can read comes back', JSON.parse('{"a":[1,"b",null,{"__proto__":{"c":1e300}}]}')],
  ['infinities, wherever they stand', [big, { a: small, b: [{ c: big }], d: '+infinity' }]],
  ['one by itself', small],
  ['under a name that is none of ours', JSON.parse('{"__proto__":1e999,"constructor":[-1e999]}')],
])('%s', (_, value) => {
  expect(JSON.parse(stateJson(value))).toEqual(value)
  expect(Object.keys(JSON.parse(stateJson(value)) as object)).toEqual(Object.keys(value as object))
})

test.each([
  ['NaN', [big, Number.NaN]],
  ['a date', { a: big, b: new Date(0) }],
  ['a map', new Map([[1, big]])],
  ['a bigint', [1n]],
])('%s is refused all the same', (_, value) => {
  expect(() => stateJson(value)).toThrow(expect.objectContaining({ code: 'NOT_SERIALISABLE' }))
})
