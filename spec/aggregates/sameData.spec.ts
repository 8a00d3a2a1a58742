import { expect, test } from '@jest/globals'
import { sameData } from '../../lib/aggregates/sameData.js'

test.each([
  ['{"a":1,"b":[{}]}', '{"b":[{}],"a":1}', true],
  ['{}', '{"constructor":1}', false],
  ['{"toString":1}', '{}', false],
  ['{"__proto__":{}}', '{}', false],
  ['{}', '{"__proto__":{}}', false],
  ['{"__proto__":{"a":1}}', '{"__proto__":{"a":1}}', true],
  ['[]', '{}', false],
])('%s and %s: %s', (a, b, isSame) => {
  expect(sameData(JSON.parse(a), JSON.parse(b))).toBe(isSame)
})
