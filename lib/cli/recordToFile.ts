import { open, stat } from 'node:fs/promises'
import type { Broker } from '../ports/broker.js'
import { chunksOf } from '../record/chunksOf.js'
import { show, TidemarkError } from '../record/errors.js'
import { recordTopics } from '../replay/index.js'

export interface RecordOptions {
  /** Separated by commas. */
  readonly topics: string
  readonly to: string
  readonly from: string | undefined
  readonly until: string | undefined
  readonly follow: boolean
  readonly signal: AbortSignal
}

/**
 * Records topics to a file that isn't there yet.
 *
 * @param tell gets a last line with sums
 * @throws TidemarkError `BAD_OPTION` for a file that can't be made, or a time that is none; what `recordTopics` throws: then the file ends too early
 */
export async function recordToFile(
  broker: Broker,
  { topics, to, from, until, follow, signal }: RecordOptions,
  tell: (line: string) => void,
): Promise<void> {
  const names = topics.split(',').map((topic) => topic.trim())
  let records = 0
  const stream = await recordTopics(broker, names, {
    ...(from !== undefined && { from: timeOf('--from', from) }),
    ...(until !== undefined && { until: timeOf('--until', until) }),
    follow,
    signal,
    onProgress: (count) => {
      records = count
    },
  })
  const file = await open(to, 'wx').catch(async (cause) => {
    await stream.cancel()
    throw new TidemarkError('BAD_OPTION', `--to ${to}: ${(cause as Error).message}`, {}, { cause })
  })
  try {
    for await (const piece of chunksOf(stream)) await file.appendFile(piece)
  } finally {
    await file.close()
  }
  tell(`${to}: ${records} records of ${names.join(', ')}, ${(await stat(to)).size} bytes`)
}

function timeOf(flag: string, text: string): number {
  const time = /^\d+$/.test(text) ? Number(text) : Date.parse(text)
  if (Number.isFinite(time)) return time
  throw new TidemarkError(
    'BAD_OPTION',
    `${flag} takes ms since the epoch, or a time as in 2026-01-31T12:00:00Z; got ${show(text)}`,
  )
}
