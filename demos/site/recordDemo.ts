import { type RecordedRecord, writeRecording } from 'tidemark/replay'
import type { Demo, Happening } from '../shared/demo.js'
import { rawRecord } from '../shared/feed.js'
import { firstOf } from '../shared/firstOf.js'

export const RECORDED = { seed: 1, count: 1_500, partitions: 2 }

/** A recording of a demo's inputs as its generator makes them, in order of arrival: .jsonl.gz. */
export async function recordDemo(demo: Demo, { seed, count, partitions } = RECORDED): Promise<Uint8Array> {
  const facts = [...demo.facts(seed)]
  const topics = Object.fromEntries(
    [...new Set([...facts.map(({ topic }) => topic), ...demo.inputs])].map((topic) => [topic, { partitions }]),
  )
  const file = writeRecording(topics, recorded([...facts, ...firstOf(demo.happenings(seed), count)], partitions))
  return new Uint8Array(await new Response(file).arrayBuffer())
}

function* recorded(happenings: Iterable<Happening>, partitions: number): Generator<RecordedRecord> {
  const next = new Map<string, number>()
  for (const happening of happenings) {
    const record = rawRecord(happening, partitions)
    const place = `${record.topic}/${record.partition}`
    const offset = next.get(place) ?? 0
    next.set(place, offset + 1)
    yield { ...record, offset }
  }
}
