import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { bytes, json, record, string } from 'tidemark'
import { recordFromJson, recordToJson } from '../../lib/record/recordJson.js'
import { readStamps, timeHeader, windowHeaders, withoutStamps } from '../../lib/record/stamp.js'

const through = (value: unknown) => json<any>().deserialize(json().serialize(value))

describe('json', () => {
  test('gives back any JSON value', () => {
    fc.assert(
      // JSON has no -0.
      fc.property(fc.jsonValue({ maxDepth: 4 }), (value) => {
        expect(through(value)).toEqual(JSON.parse(JSON.stringify(value)))
      }),
      { seed: 1, numRuns: 500 },
    )
  })

  test('leaves out undefined members, and takes objects without a prototype', () => {
    expect(through({ a: 1, b: undefined })).toEqual({ a: 1 })
    expect(through(Object.assign(Object.create(null), { a: 1 }))).toEqual({ a: 1 })
  })

  test.each([
    ['undefined', undefined],
    ['NaN', Number.NaN],
    ['Infinity', Number.POSITIVE_INFINITY],
    ['a bigint', 1n],
    ['a function', () => 1],
    ['a symbol', Symbol('a')],
    ['a date', new Date(0)],
    ['a map', new Map()],
    ['a set', new Set()],
    ['bytes', new Uint8Array(1)],
    ['a class instance', new (class A {})()],
    ['undefined in an array', [undefined]],
  ])('refuses %s, wherever it stands', (_name, value) => {
    const refused = expect.objectContaining({ code: 'NOT_SERIALISABLE' })
    expect(() => json().serialize(value)).toThrow(refused)
    expect(() => json().serialize([value])).toThrow(refused)
    if (value !== undefined) expect(() => json().serialize({ deep: { here: value } })).toThrow(/"here"/)
  })

  test('says what it could not read', () => {
    expect(() => json().deserialize(Buffer.from('{oops'))).toThrow(
      expect.objectContaining({ code: 'DESERIALISE', message: expect.stringContaining('{oops') }),
    )
  })
})

test('string: UTF-8, and nothing but strings', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const encoded = string().serialize(text)
      expect([...encoded]).toEqual([...new TextEncoder().encode(text)])
      expect(string().deserialize(new Uint8Array(encoded))).toBe(text)
    }),
    { seed: 2, numRuns: 300 },
  )
  for (const lone of ['\ud800', 'a\udc00b', '\udc00\ud800'])
    expect(() => string().serialize(lone)).toThrow(expect.objectContaining({ code: 'NOT_SERIALISABLE' }))
  expect(() => string().serialize(5 as never)).toThrow(expect.objectContaining({ code: 'NOT_SERIALISABLE' }))
})

test('bytes: as they are', () => {
  const some = new Uint8Array([0, 255, 1])
  expect(bytes().deserialize(bytes().serialize(some))).toEqual(some)
})

test('a record through JSON: key, headers with any bytes, and what else it carries', () => {
  const key = fc.oneof(fc.string({ unit: 'binary' }), fc.bigInt(), fc.integer(), fc.constant(null))
  const headers = fc.array(fc.tuple(fc.string(), fc.option(fc.uint8Array())))
  fc.assert(
    fc.property(key, headers, fc.boolean(), (key, headers, isWindowed) => {
      const one = {
        ...record(key, { n: [1] }, 5, { topic: 't', partition: 2, offset: 3, headers }),
        ...(isWindowed && { window: { start: 0, end: 10 }, final: true }),
      }
      const back = recordFromJson(through(recordToJson(one)))
      expect({ ...back, headers: back.headers.map(([name, value]) => [name, value && [...value]]) }).toEqual({
        ...one,
        headers: headers.map(([name, value]) => [name, value && [...value]]),
      })
    }),
    { seed: 3, numRuns: 300 },
  )
})

describe('stamps', () => {
  test.each([
    { task: '0_3', time: 12, hasWatermark: true, idle: false, isWord: false },
    { task: '1_0', time: -5, hasWatermark: false, idle: true, isWord: true },
    { task: 'a@b', time: Number.NEGATIVE_INFINITY, hasWatermark: true, idle: true, isWord: true },
  ])('time travels in a header: %j', (stamp) => {
    expect(readStamps([timeHeader(stamp)])).toEqual({ time: stamp, window: undefined })
  })

  test("a window too; users' headers stay, ours are taken off", () => {
    const mine = ['trace', new Uint8Array([1])] as const
    const windowed = { ...record('k', 1, 5, { headers: [mine] }), window: { start: 0, end: 10 }, final: true }
    const headers = windowHeaders(windowed)
    expect(readStamps(headers).window).toEqual({ window: { start: 0, end: 10 }, final: true })
    expect(withoutStamps(headers)).toEqual([mine])
    expect(windowHeaders(record('k', 1, 5, { headers }))).toEqual([mine])
    expect(windowHeaders({ ...windowed, headers }).filter(([name]) => name === 'tidemark-window')).toHaveLength(1)
  })
})
