import { gunzipSync, gzipSync } from 'node:zlib'
import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import type { Header } from '../../lib/index.js'
import { openRecording, type RecordedRecord, writeRecording } from '../../lib/replay/index.js'
import { bytesOf } from '../bytesOf.js'
import { recordingOf } from './recordingOf.js'

const TOPICS = { a: { partitions: 2 }, 'über b': { partitions: 1 } }
const utf8 = (text: string) => new TextEncoder().encode(text)

/** Any bytes, with those often that look like text, or like the sign of what is none. */
const anyBytes = fc.option(
  fc.oneof(
    fc.uint8Array({ maxLength: 40 }),
    fc.string({ unit: 'binary', maxLength: 20 }).map(utf8),
    fc.constantFrom('\ufffd', '\ufeffbom', '{"base64":"AA=="}', '', '\n', '"\\\u2028').map(utf8),
    fc.constantFrom([0xff], [0xed, 0xa0, 0x80], [0xef, 0xbf, 0xbd, 0xff], [0xc3]).map((list) => Uint8Array.from(list)),
  ),
  { nil: null },
)
const anyHeader: fc.Arbitrary<Header> = fc.tuple(fc.string({ maxLength: 5 }), anyBytes)
const anyRecord = fc.record({
  place: fc.constantFrom(['a', 0] as const, ['a', 1] as const, ['über b', 0] as const),
  skipped: fc.nat(3),
  timestamp: fc.oneof(fc.nat(), fc.constantFrom(0, 8.64e15, 0.5)),
  key: anyBytes,
  value: anyBytes,
  headers: fc.array(anyHeader, { maxLength: 3 }),
})

function placed(drafts: readonly (typeof anyRecord extends fc.Arbitrary<infer T> ? T : never)[]): RecordedRecord[] {
  const offsets = new Map<string, number>()
  return drafts.map(({ place: [topic, partition], skipped, ...rest }) => {
    const offset = (offsets.get(`${topic}${partition}`) ?? -1) + 1 + skipped
    offsets.set(`${topic}${partition}`, offset)
    return { topic, partition, offset, ...rest }
  })
}

const all = async (records: readonly RecordedRecord[]) => {
  const recording = await recordingOf(TOPICS, records)
  return Array.from({ length: recording.size }, (_, index) => recording.record(index))
}

describe('what is written', () => {
  test('is a line for the topics, then one for each record, as the documentation says', async () => {
    const file = writeRecording({ orders: { partitions: 3 } }, [
      { topic: 'orders', partition: 2, offset: 7, timestamp: 5, key: utf8('ann'), value: utf8('{"n":1}'), headers: [] },
      {
        topic: 'orders',
        partition: 0,
        offset: 1,
        timestamp: 6,
        key: null,
        value: Uint8Array.of(255, 0),
        headers: [
          ['trace', utf8('x')],
          ['none', null],
        ],
      },
    ])
    expect(gunzipSync(await bytesOf(file)).toString()).toBe(
      [
        '{"tidemark":"recording","version":1,"topics":{"orders":{"partitions":3}}}',
        '{"topic":"orders","partition":2,"offset":7,"timestamp":5,"key":"ann","value":"{\\"n\\":1}"}',
        '{"topic":"orders","partition":0,"offset":1,"timestamp":6,"key":null,"value":{"base64":"/wA="},"headers":[["trace","x"],["none",null]]}',
        '',
      ].join('\n'),
    )
  })

  test('comes back as it was, whatever the bytes', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(anyRecord, { maxLength: 30 }), async (drafts) => {
        const records = placed(drafts)
        const bare = (list: readonly RecordedRecord[]) =>
          list.map(({ key, value, headers, ...rest }) => ({
            ...rest,
            key: key && [...key],
            value: value && [...value],
            headers: headers.map(([name, content]) => [name, content && [...content]]),
          }))
        expect(bare(await all(records))).toEqual(bare(records))
      }),
      { seed: 82, numRuns: 200 },
    )
  })

  test('may be large: records that fill a piece of memory, one that is larger than a piece, and many', async () => {
    const value = (n: number) => new Uint8Array(n === 3 ? 9_000_000 : 1_500_000).fill(n)
    const records = placed(
      Array.from({ length: 6 }, (_, n) => ({
        place: ['a', 0] as const,
        skipped: 0,
        timestamp: n,
        key: utf8(`k${n}`),
        value: value(n),
        headers: [],
      })),
    )
    const found = await all(records)
    expect(
      found.map(({ key, value: bytes }) => [key?.length, bytes?.length, bytes?.every((b) => b === bytes[0])]),
    ).toEqual(records.map(({ key, value: bytes }) => [key?.length, bytes?.length, true]))
    const many = await recordingOf(
      { a: { partitions: 1 } },
      Array.from({ length: 5_000 }, (_, n) => ({
        ...(records[0] as RecordedRecord),
        value: utf8(String(n)),
        offset: n,
      })),
    )
    expect(many.size).toBe(5_000)
    expect(new TextDecoder().decode(many.record(4_321).value as Uint8Array)).toBe('4321')
  })
})

describe('what could not be opened', () => {
  const good = { topic: 'a', partition: 0, offset: 4, timestamp: 1, key: null, value: null, headers: [] }
  test.each([
    ['a topic that isn’t named', [{ ...good, topic: 'b' }], /^line 2: the first line names no partition 0 of topic b/],
    ['a partition too many', [good, { ...good, partition: 2 }], /^line 3: the first line names no partition 2/],
    ['offsets that don’t rise', [good, good], /^line 3: offsets of a partition rise; after 4 came 4/],
    ['no timestamp', [{ ...good, timestamp: Number.NaN }], /^line 2: timestamp must be ms/],
    ['half an offset', [{ ...good, offset: 0.5 }], /^line 2: offset must be a whole number/],
  ] as const)('is not written: %s', async (_, records, reason) => {
    const error = await bytesOf(writeRecording(TOPICS, records)).catch((e) => e)
    expect(error).toMatchObject({ code: 'BAD_RECORDING', reason: expect.stringMatching(reason) })
  })

  test('is not written: topics that have no partitions, or too many', async () => {
    for (const partitions of [0, 1.5, 100_001])
      await expect(bytesOf(writeRecording({ a: { partitions } }, []))).rejects.toMatchObject({ code: 'BAD_RECORDING' })
  })
})

describe('a recording', () => {
  test('takes the memory of its text, and no multiple of it', async () => {
    const lines = Array.from({ length: 30 }, (_, offset) =>
      JSON.stringify({ topic: 'a', partition: 0, offset, timestamp: 1, key: null, value: 'x'.repeat(1_400_000) }),
    )
    const head = '{"tidemark":"recording","version":1,"topics":{"a":{"partitions":1}}}'
    const recording = await openRecording(new Blob([[head, ...lines, ''].join('\n')]))
    const buffers = new Set(
      Array.from({ length: recording.size }, (_, index) => (recording.record(index).value as Uint8Array).buffer),
    )
    const bytes = [...buffers].reduce((sum, buffer) => sum + buffer.byteLength, 0)
    expect(bytes).toBeLessThan(1.2 * 30 * 1_400_000)
  })

  const recorded = placed(
    [4, 2, 9, 9, 30].map((timestamp, n) => ({
      place: n % 2 === 0 ? (['a', 1] as const) : (['über b', 0] as const),
      skipped: 1,
      timestamp,
      key: null,
      value: null,
      headers: [],
    })),
  )

  test('knows its topics, its length and its time', async () => {
    const { topics, size, from, to, isTruncated } = await recordingOf(TOPICS, recorded)
    expect([...topics]).toEqual([
      ['a', 2],
      ['über b', 1],
    ])
    expect({ size, from, to, isTruncated }).toEqual({ size: 5, from: 2, to: 30, isTruncated: false })
    const empty = await recordingOf(TOPICS, [])
    expect([empty.size, empty.from, empty.to]).toEqual([0, undefined, undefined])
  })

  test('finds places', async () => {
    const recording = await recordingOf(TOPICS, recorded)
    expect([0, 3, 4, 5, 10, 31].map((time) => recording.indexOf({ time }))).toEqual([0, 0, 0, 2, 4, 5])
    // Offsets 1, 3, 5 in partition 1 of a.
    expect([0, 1, 2, 3, 5, 6].map((offset) => recording.indexOf({ topic: 'a', partition: 1, offset }))).toEqual([
      0, 0, 2, 2, 4, 5,
    ])
    expect(recording.indexOf({ index: 5 })).toBe(5)
    for (const place of [
      { index: 6 },
      { index: -1 },
      { time: Number.NaN },
      { topic: 'a', partition: 2, offset: 0 },
      { topic: 'a', partition: -1, offset: 0 },
    ])
      expect(() => recording.indexOf(place)).toThrow(expect.objectContaining({ code: 'BAD_OPTION' }))
  })
})

describe('what is read', () => {
  const HEAD = '{"tidemark":"recording","version":1,"topics":{"a":{"partitions":1}}}'
  const line = (rest: object) =>
    JSON.stringify({ topic: 'a', partition: 0, offset: 0, timestamp: 1, key: 'k', value: 'v', ...rest })
  const open = (...lines: string[]) => openRecording(utf8(lines.join('\n')))

  test('may be plain text, a Blob or a stream, in pieces that cut a letter in two', async () => {
    const text = utf8([HEAD, line({ key: 'ä€😀' }), line({ offset: 1 })].join('\n'))
    const pieces = new ReadableStream<Uint8Array>({
      start(controller) {
        for (const byte of text) controller.enqueue(Uint8Array.of(byte))
        controller.close()
      },
    })
    for (const source of [text, new Blob([text]), pieces, gzipSync(text)]) {
      const recording = await openRecording(source)
      expect(recording.size).toBe(2)
      expect(new TextDecoder().decode(recording.record(0).key as Uint8Array)).toBe('ä€😀')
    }
  })

  test('may begin with a byte order mark, and have lines that end as on Windows', async () => {
    const text = `\ufeff${[HEAD, line({ key: '\ufeffk' }), '', line({ offset: 1 }), ''].join('\r\n')}`
    const recording = await openRecording(utf8(text))
    expect(recording.size).toBe(2)
    expect(recording.record(0).key).toEqual(utf8('\ufeffk'))
  })

  test('that the source fails with is told as it is', async () => {
    const zipped = gzipSync(HEAD)
    const broken = new ReadableStream<Uint8Array>({
      pull(controller) {
        controller.enqueue(zipped.subarray(0, 5))
        controller.error(new Error('no network'))
      },
    })
    await expect(openRecording(broken, { keepWhole: true })).rejects.toThrow('no network')
  })

  test('that has a line without an end is refused before it fills the memory', async () => {
    const piece = new Uint8Array(1 << 24).fill(97)
    let pulled = 0
    const endless = () =>
      new ReadableStream<Uint8Array>({
        pull(controller) {
          controller.enqueue(pulled++ === 0 ? utf8(`${HEAD}\n`) : piece)
        },
      })
    await expect(openRecording(endless())).rejects.toMatchObject({
      code: 'BAD_RECORDING',
      reason: expect.stringMatching(/after line 1: the next line has more than 268435456 characters/),
    })
    expect(pulled).toBeLessThan(30)
  })

  test.each([
    ['nothing', [], /^line 1: the file is empty/],
    ['another file', ['{"a":1}', line({})], /^line 1: a recording begins with/],
    ['no JSON at all', ['PK\u0003\u0004', ''], /^line 1: not JSON/],
    [
      'a version to come',
      [HEAD.replace('1', '2'), ''],
      /^line 1: the recording has version 2, and this release reads version 1/,
    ],
    [
      'a topic without partitions',
      [HEAD.replace('{"partitions":1}', '{}'), ''],
      /^line 1: topic a must have a whole number/,
    ],
    ['a topic that is nothing', [HEAD.replace('{"partitions":1}', 'null'), ''], /^line 1: topic a must have a whole/],
    [
      'more partitions than there are',
      [HEAD.replace(':1}}', ':20000000}}'), ''],
      /^line 1: a recording has at most 100000/,
    ],
    ['a line that is no JSON', [HEAD, line({}), '{oops', line({ offset: 1 })], /^line 3: not JSON: "\{oops"/],
    ['a line that is no record', [HEAD, '[]', ''], /^line 2: topic must be text/],
    [
      'a partition that there isn’t',
      [HEAD, line({ partition: 1 }), ''],
      /^line 2: the first line names no partition 1/,
    ],
    [
      'a topic that there isn’t',
      [HEAD, line({ topic: 'b' }), ''],
      /^line 2: the first line names no partition 0 of topic b/,
    ],
    [
      'offsets that fall',
      [HEAD, line({ offset: 4 }), line({ offset: 4 }), ''],
      /^line 3: offsets of a partition rise; after 4 came 4/,
    ],
    ['a timestamp of text', [HEAD, line({ timestamp: 'now' }), ''], /^line 2: timestamp must be ms/],
    ['bytes that are none', [HEAD, line({ value: { base64: '*' } }), ''], /^line 2: value must be text/],
    ['a value left out', [HEAD, line({ value: undefined }), ''], /^line 2: value must be text/],
    ['half a character', [HEAD, line({ key: '\ud800' }), ''], /^line 2: key must be text/],
    ['a header without value', [HEAD, line({ headers: [['x']] }), ''], /^line 2: a header must be/],
  ] as const)('%s is refused, with the line', async (_, lines, reason) => {
    const error = await open(...lines).catch((e) => e)
    expect(error).toMatchObject({ code: 'BAD_RECORDING', reason: expect.stringMatching(reason) })
  })

  test('what isn’t UTF-8 is refused', async () => {
    const text = Uint8Array.from([...utf8(`${HEAD}\n`), 0xff, 0x0a])
    await expect(openRecording(text)).rejects.toMatchObject({ code: 'BAD_RECORDING', reason: 'line 2: not UTF-8' })
  })

  test('of a file that ends too early, what is whole is kept if one asks for it', async () => {
    const lines = Array.from({ length: 2_000 }, (_, n) => line({ offset: n, value: `${Math.sin(n)}` }))
    const zipped = gzipSync([HEAD, ...lines, ''].join('\n'))
    const plain = utf8([HEAD, ...lines].join('\n'))
    for (const whole of [zipped, plain]) {
      const cut = whole.subarray(0, Math.floor(whole.length * 0.6))
      await expect(openRecording(cut)).rejects.toMatchObject({
        code: 'BAD_RECORDING',
        reason: expect.stringMatching(/^the file is damaged or ends too early, after line \d+:.*keepWhole/),
      })
      const kept = await openRecording(cut, { keepWhole: true })
      expect(kept.isTruncated).toBe(true)
      expect(kept.size).toBeGreaterThan(200)
      expect(kept.size).toBeLessThan(1_400)
      const last = kept.record(kept.size - 1)
      expect(new TextDecoder().decode(last.value as Uint8Array)).toBe(`${Math.sin(last.offset)}`)
      expect(last.offset).toBe(kept.size - 1)
    }
    // One that is damaged in the middle, not cut off, is no whole file for all that.
    await expect(open(HEAD, '{oops', line({}))).rejects.toMatchObject({ code: 'BAD_RECORDING' })
    const bad = openRecording(utf8([HEAD, '{oops', line({}), ''].join('\n')), { keepWhole: true })
    await expect(bad).rejects.toMatchObject({ code: 'BAD_RECORDING', reason: expect.stringMatching(/^line 2/) })
  })
})
