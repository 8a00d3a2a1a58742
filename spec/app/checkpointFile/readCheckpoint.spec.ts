import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync, gzipSync } from 'node:zlib'
import { expect, test } from '@jest/globals'
import fc from 'fast-check'
import { checkpointLines } from '../../../lib/app/checkpointFile/checkpointLines.js'
import { readCheckpoint } from '../../../lib/app/checkpointFile/readCheckpoint.js'
import { utf8 } from '../../../lib/record/serde.js'
import { FIXTURE_INPUT, FIXTURE_LAST, FIXTURE_TOPICS, fixtureApp } from './fixture.js'
import { Resident } from './homes.js'

const VERSION_1 = readFileSync(join(import.meta.dirname, 'version1.jsonl'))
const LINES = VERSION_1.toString().trimEnd().split('\n')

const stream = (bytes: Uint8Array, size: number) =>
  new ReadableStream<Uint8Array>({
    start(controller) {
      for (let at = 0; at < bytes.length; at += size) controller.enqueue(bytes.subarray(at, at + size))
      controller.close()
    },
  })
const text = (lines: readonly string[]) => utf8.encode(lines.map((line) => `${line}\n`).join(''))

// ---- version 1: what has been written is read for ever

test('version 1 is written as it always was', async () => {
  const home = new Resident('topics and state in one store', fixtureApp, FIXTURE_TOPICS)
  await home.createTopics()
  await home.start()
  await home.feed(FIXTURE_INPUT)
  await home.send([FIXTURE_LAST])
  await home.app.settle({ checkpoint: false })
  const file = await home.write()
  await home.app.crash()
  expect(gunzipSync(file).toString().trimEnd().split('\n')).toEqual(LINES)
})

test.each(['topics and state in one store', 'changelogs', 'the store alone'] as const)(
  'a file of version 1 goes on in %s',
  async (kind) => {
    const home = new Resident(kind, fixtureApp, FIXTURE_TOPICS)
    await home.createTopics()
    await home.send([...FIXTURE_INPUT, FIXTURE_LAST])
    await home.open(VERSION_1)
    await home.start()
    await home.app.settle()
    await home.feed([
      { topic: 'names', key: '2', value: 'Bob', timestamp: 3 },
      { topic: 'cities', key: '1', value: 'Kiel', timestamp: 4 },
      { topic: 'orders', key: 'a', value: 15, timestamp: 70, partition: 0 },
      ...[0, 1].map((partition) => ({ topic: 'orders', key: 'end', value: 3, timestamp: 500, partition })),
    ])
    const outputs = (await home.records()).filter(({ topic }) => topic in { sums: 1, called: 1, who: 1 })
    // 5 + 25 from the file and 15 behind it, of one size; 7 by itself; 205, which was on its way, is above 100.
    expect(outputs.map(({ topic, text }) => `${topic} ${text}`).sort()).toEqual([
      'called a: 30 @70',
      'called end: 6 @500',
      'called end: 6 @500',
      'sums ["size 5",false]: 45 @70 [0, 100) final',
      'sums ["size 5",true]: 205 @130 [100, 200) final',
      'sums ["size 7",false]: 7 @40 [0, 100) final',
      'who 1: "Ann of Kiel" @4',
      'who 2: "Bob of Ulm" @3',
    ])
    expect(home.errors).toEqual([])
    await home.app.crash()
  },
)

test('what is read is what was written, gzip’d or plain, however it comes', async () => {
  const zipped = gzipSync(VERSION_1)
  const copy = await readCheckpoint(VERSION_1)
  expect([...checkpointLines(copy)]).toEqual(LINES)
  for (const source of [
    zipped,
    new Blob([VERSION_1]),
    new Blob([zipped]),
    stream(VERSION_1, 7),
    stream(zipped, 1),
    text(LINES).subarray(0, -1),
  ])
    expect([...checkpointLines(await readCheckpoint(source))]).toEqual(LINES)
})

// ---- what is no such file

const refused = async (bytes: Uint8Array) => {
  const reasons: string[] = []
  for (const source of [bytes, gzipSync(bytes), stream(bytes, 11)]) {
    const error: { code?: string; reason?: string } = await readCheckpoint(source).then(
      () => ({}),
      (cause) => cause,
    )
    expect(error.code).toBe('BAD_CHECKPOINT')
    reasons.push(error.reason as string)
  }
  expect(new Set(reasons).size).toBe(1)
  return reasons[0] as string
}
const at = (line: number) => LINES[line - 1] as string
const lineOf = (start: string) => LINES.findIndex((line) => line.startsWith(start)) + 1
const instead = (line: number, other: string) => text([...LINES.slice(0, line - 1), other, ...LINES.slice(line)])

test.each<[string, () => Uint8Array, string]>([
  ['nothing', () => new Uint8Array(), 'it ends too early, after line 0'],
  ['something else', () => utf8.encode('a,b\n1,2\n'), 'line 1: not a JSON object: "a,b"'],
  ['other JSON', () => text(['{"tidemark":"recording","version":1}']), 'line 1: a checkpoint file begins with'],
  [
    'a later version',
    () => instead(1, at(1).replace('"version":1', '"version":2')),
    'line 1: its version is 2, and this release reads version 1',
  ],
  ['a line that is cut', () => instead(2, at(2).slice(0, -5)), 'line 2: not a JSON object'],
  ['no end', () => text(LINES.slice(0, -1)), `it ends too early, after line ${LINES.length - 1}`],
  ['more behind the end', () => text([...LINES, at(2)]), `line ${LINES.length + 1}: it goes on behind its end`],
  [
    'a line that is missing',
    () => text(LINES.filter((_, n) => n !== lineOf('{"task":"orders/1","state"') - 1)),
    `line ${LINES.length - 1}: lines are missing`,
  ],
  ['an entry without its task', () => text([at(1), ...LINES.slice(2)]), 'no line before has said what the task'],
  ['a task twice', () => text([at(1), at(2), ...LINES.slice(1)]), 'line 3: the task'],
  [
    'a state that the task hasn’t',
    () => instead(lineOf('{"task":"orders/1","state"'), '{"task":"orders/1","state":"x","key":"a","value":1}'),
    'the task has no state x',
  ],
  [
    'an entry without a value',
    () => instead(lineOf('{"task":"orders/1","state"'), '{"task":"orders/1","state":"calls","key":0}'),
    'there is no value',
  ],
  [
    'a window that is no number',
    () =>
      instead(
        lineOf('{"task":"test-by-size-repartition/0","state"'),
        '{"task":"test-by-size-repartition/0","state":"sums","key":"a","window":"x","value":1}',
      ),
    '',
  ],
  [
    'a record for a topic that is no exchange',
    () => instead(lineOf('{"topic"'), at(lineOf('{"topic"')).replace(/"topic":"[^"]*"/, '"topic":"orders"')),
    'is no exchange',
  ],
  ['a line of no kind', () => instead(3, '{"note":"hello"}'), 'line 3: nobody knows what this is'],
  [
    'positions that are none',
    () => instead(1, at(1).replace('"positions":[2,', '"positions":["2",')),
    'line 1: partitions or positions of orders',
  ],
  [
    'a place whose topic is no text',
    () => instead(2, at(2).replace('"positions":[{"topic":"names"', '"positions":[{"topic":{"toString":false}')),
    'line 2: positions, time or plan of cities+names/0 are missing',
  ],
  [
    'a time that is none',
    () => instead(2, at(2).replace('"source names":1', '"source names":"1"')),
    'line 2: positions, time or plan of cities+names/0 are missing',
  ],
  [
    'a state of no kind',
    () => instead(2, at(2).replace('"kind":"table"', '"kind":null')),
    'line 2: positions, time or plan of cities+names/0 are missing',
  ],
  [
    'bytes that are no text',
    () => Buffer.concat([VERSION_1.subarray(0, 30), Buffer.from([255]), VERSION_1.subarray(30)]),
    'it is not UTF-8',
  ],
])('%s is refused', async (_what, bytes, reason) => {
  expect(await refused(bytes())).toContain(reason)
})

test('a compressed file that is cut anywhere is refused', async () => {
  const zipped = gzipSync(VERSION_1)
  for (let length = 2; length < zipped.length; length += 13)
    await expect(readCheckpoint(zipped.subarray(0, length))).rejects.toMatchObject({ code: 'BAD_CHECKPOINT' })
})

test('a file that something has happened to is refused, or read; nothing else', async () => {
  await fc.assert(
    fc.asyncProperty(fc.boolean(), fc.nat(), fc.integer({ min: 1, max: 255 }), async (isZipped, place, change) => {
      const bytes = new Uint8Array(isZipped ? gzipSync(VERSION_1) : VERSION_1)
      const index = place % bytes.length
      bytes[index] = (bytes[index] as number) ^ change
      const outcome = await readCheckpoint(bytes).then(
        () => 'read',
        (error) => error.code ?? error,
      )
      expect(['read', 'BAD_CHECKPOINT']).toContain(outcome)
    }),
    { seed: 85, numRuns: 500 },
  )
})

/** A place in a JSON value, chosen by numbers, gets another value. */
function changed(json: unknown, path: readonly number[], other: unknown): unknown {
  const [first, ...rest] = path
  if (first === undefined || typeof json !== 'object' || json === null) return other
  const names = Object.keys(json)
  if (names.length === 0) return other
  const name = names[first % names.length] as keyof typeof json
  const member = changed(json[name], rest, other)
  return Array.isArray(json) ? json.with(Number(name), member) : { ...json, [name]: member }
}

test('a line that says something else is refused, or what it says is read, and opened or refused; nothing else', async () => {
  const values = fc.oneof(fc.jsonValue(), fc.constantFrom(-1, 1e20, '__proto__', [], {}, null))
  await fc.assert(
    fc.asyncProperty(fc.nat(), fc.array(fc.nat(), { maxLength: 6 }), values, async (number, path, value) => {
      const index = number % LINES.length
      const line = JSON.stringify(changed(JSON.parse(LINES[index] as string), path, value))
      const home = new Resident('the store alone', fixtureApp, FIXTURE_TOPICS)
      await home.createTopics()
      await home.send([...FIXTURE_INPUT, FIXTURE_LAST])
      const outcome = await home.open(instead(index + 1, line)).then(
        () => 'opened',
        (error) => error.name,
      )
      expect(['opened', 'TidemarkError']).toContain(outcome)
    }),
    { seed: 86, numRuns: 400 },
  )
})

test('a line without an end is refused before it fills the memory', async () => {
  const piece = new Uint8Array(1 << 24).fill(97)
  let pulled = 0
  const endless = new ReadableStream<Uint8Array>({
    pull(controller) {
      controller.enqueue(pulled++ === 0 ? text(LINES.slice(0, 1)) : piece)
    },
  })
  await expect(readCheckpoint(endless)).rejects.toMatchObject({
    code: 'BAD_CHECKPOINT',
    reason: expect.stringMatching(/the next line has more than 268435456 characters, after line 1/),
  })
  expect(pulled).toBeLessThan(30)
})

test('what a source fails with is told as it is', async () => {
  for (const head of [VERSION_1.subarray(0, 100), gzipSync(VERSION_1).subarray(0, 100)]) {
    const gone = new Error('the cable is gone')
    const broken = new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(head),
      pull: (controller) => controller.error(gone),
    })
    await expect(readCheckpoint(broken)).rejects.toBe(gone)
  }
})

test('a source is let go of as soon as it is no checkpoint file', async () => {
  let isCancelled = false
  const endless = new ReadableStream<Uint8Array>({
    pull: (controller) => controller.enqueue(utf8.encode('no\n')),
    cancel: () => {
      isCancelled = true
    },
  })
  await expect(readCheckpoint(endless)).rejects.toMatchObject({ code: 'BAD_CHECKPOINT' })
  expect(isCancelled).toBe(true)
})
