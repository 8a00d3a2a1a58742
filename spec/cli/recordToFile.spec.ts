import { randomBytes } from 'node:crypto'
import { mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, jest, test } from '@jest/globals'
import { embedded, NO_HEADERS } from 'tidemark'
import { recordToFile } from '../../lib/cli/recordToFile.js'
import { until } from '../until.js'

test('a disk that is full ends a recording that goes on, and lets go of the broker', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'tidemark-record-'))
  const broker = embedded()
  await broker.createTopics([{ topic: 'orders', partitions: 1 }])
  // Noise: what can be compressed would come through later.
  const noise = () => randomBytes(1_000)
  await (await broker.producer()).send(
    Array.from({ length: 400 }, (_, timestamp) => ({
      topic: 'orders',
      partition: 0,
      timestamp,
      key: null,
      value: noise(),
      headers: NO_HEADERS,
    })),
  )
  const close = jest.spyOn(broker, 'close')
  const handle = await open(join(directory, 'probe'), 'w')
  await handle.close()
  // Only the disk is pretended.
  const full = jest.spyOn(Object.getPrototypeOf(handle) as typeof handle, 'appendFile')
  full.mockRejectedValue(new Error('ENOSPC: no space left on device'))
  const ending = new AbortController()
  const lines: string[] = []
  try {
    const options = { topics: 'orders', to: join(directory, 'file'), from: undefined, until: undefined, follow: true }
    await expect(
      recordToFile(broker, { ...options, signal: ending.signal }, (line) => lines.push(line)),
    ).rejects.toThrow('ENOSPC')
    await until('the broker to be closed', () => close.mock.calls.length === 1)
    expect(full).toHaveBeenCalledTimes(1)
    expect(lines).toEqual([])
  } finally {
    ending.abort()
    full.mockRestore()
    await rm(directory, { recursive: true })
  }
})
