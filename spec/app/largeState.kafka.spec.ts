import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, jest, test } from '@jest/globals'
import { kafka } from 'tidemark/kafka'
import { describeKafka } from '../kafka/testKafka.js'

jest.setTimeout(300_000)

/** Of a process that needs about 60 MB before it has any state. */
const HEAP_MB = 100
/** With two records for each: histories of 24 kB, 290 MB in all. */
const KEYS = 12_000
const BUDGET = 1 << 20

const children: ChildProcess[] = []
const folders: string[] = []
afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true, force: true })
})

async function newFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'large-state-'))
  folders.push(folder)
  return folder
}

interface Life {
  readonly folder: string
  readonly id: string
  readonly where: string
  readonly budget?: number
  /** Killed once its tasks have handled so many records. */
  readonly killAt?: number
}

interface Ended {
  readonly signal: NodeJS.Signals | null
  /** Records that its tasks had handled by then. */
  readonly handled: number
  readonly result: { readonly keys: number; readonly wrong: number } | undefined
  readonly errors: string
}

/** Runs the process until it ends. */
async function live({ folder, id, where, budget, killAt }: Life): Promise<Ended> {
  const file = join(import.meta.dirname, 'largeStateProcess.ts')
  const child = spawn(
    process.execPath,
    [
      ...[`--max-old-space-size=${HEAP_MB}`, '--import', 'tsx', file],
      ...[folder, id, where, String(KEYS), String(budget ?? 'all')],
    ],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  )
  children.push(child)
  let said = ''
  let errors = ''
  let handled = 0
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors += text
  })
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    said += text
    handled = Number(said.match(/\d+(?=\n\D*$)/)?.[0] ?? handled)
    if (killAt !== undefined && handled >= killAt) child.kill('SIGKILL')
  })
  const signal = await new Promise<NodeJS.Signals | null>((resolve) => child.once('close', (_code, by) => resolve(by)))
  const last = said.trim().split('\n').at(-1) ?? ''
  return { signal, handled, result: last.startsWith('{') ? JSON.parse(last) : undefined, errors }
}

const ALL_RIGHT = { signal: null, result: { keys: KEYS, wrong: 0 }, errors: '' }
const KILLED = { signal: 'SIGKILL', result: undefined, errors: '' }

describe('state that is three times as large as the heap', () => {
  test('of an embedded broker over level: killed half-way, it goes on', async () => {
    const life = { folder: await newFolder(), id: 'large', where: 'embedded', budget: BUDGET }
    const killed = await live({ ...life, killAt: 1.2 * KEYS })
    expect(killed).toMatchObject(KILLED)
    const after = await live(life)
    expect(after).toMatchObject(ALL_RIGHT)
    expect(after.handled).toBeLessThan(2 * KEYS)
    // With nothing left to handle it is all there, too.
    expect(await live(life)).toMatchObject({ ...ALL_RIGHT, handled: 0 })
  })

  test('without the option the heap is too small for it', async () => {
    const ended = await live({ folder: await newFolder(), id: 'large', where: 'embedded' })
    expect(ended.result).toBeUndefined()
    expect(ended.errors).toContain('heap out of memory')
  })
})

await describeKafka('state that is three times as large as the heap, on Kafka', (brokers) => {
  test('killed half-way, it goes on from the local checkpoint, and from the changelog alone where that is gone', async () => {
    const id = `large-${Date.now()}`
    const life = { folder: await newFolder(), id, where: brokers.join(), budget: BUDGET }
    const killed = await live({ ...life, killAt: 1.2 * KEYS })
    expect(killed).toMatchObject(KILLED)
    expect(await live(life)).toMatchObject(ALL_RIGHT)
    expect(await live({ ...life, folder: await newFolder() })).toMatchObject({ ...ALL_RIGHT, handled: 0 })
    const broker = kafka({ brokers })
    await broker.connect()
    await broker.deleteTopics([`${id}-in`, `${id}-histories-changelog`])
    await broker.close()
  })
})
