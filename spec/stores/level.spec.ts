import { type ChildProcess, spawn } from 'node:child_process'
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { loadAll } from '../../lib/ports/loadAll.js'
import type { StoreAdapter } from '../../lib/ports/store.js'
import { level } from '../../lib/stores/level.js'
import { storeConformance } from '../../lib/testing/storeConformance.js'
import { assertLikeModel } from './storeModel.js'

const bytes = (text: string) => Buffer.from(text)

describe('level', () => {
  const root = mkdtempSync(join(tmpdir(), 'tidemark-level-'))
  let folders = 0
  const freshFolder = () => join(root, `${folders++}`)
  const children: ChildProcess[] = []
  afterAll(() => {
    for (const child of children) child.kill('SIGKILL')
    rmSync(root, { recursive: true, force: true })
  })

  const options = {
    fresh: () => level(freshFolder()),
    reopen: (closed: StoreAdapter) => level(closed.name.slice('level '.length)),
  }

  describe('keeps the contract of a store', () => {
    for (const law of storeConformance(options)) test(law.name, law.run)
  })

  test(
    'holds what a map of maps does, after random commits, clears and restarts',
    () => assertLikeModel(options, 40),
    60_000,
  )

  test('is durable and reads synchronously, before it is open too', () => {
    const store = level('./state')
    expect(store).toMatchObject({ name: 'level ./state', durable: true, shared: false, getSync: expect.any(Function) })
  })

  test('commits with sync', async () => {
    const folder = freshFolder()
    const store = level(folder, { sync: true })
    await store.open('app')
    await store.commit([{ scope: 's', entries: [['a', bytes('kept')]] }])
    expect(store.getSync?.('s', 'a')).toEqual(bytes('kept'))
    await store.close()
  })

  describe('its folders', () => {
    test.each([
      ['spend-per_user2', 'spend-per_user2'],
      ['../../etc', '%2e%2e%2f%2e%2e%2fetc'],
      ['..', '%2e%2e'],
      ['a\\b:c', 'a%5cb%3ac'],
      ['Spend', '%53pend'],
      ['%2e', '%252e'],
      ['\u0000', '%00'],
      ['🐋', '%f0%9f%90%8b'],
    ])('the app %j has the folder %s', async (app, expected) => {
      const folder = freshFolder()
      const store = level(folder)
      await store.open(app)
      await store.close()
      expect(readdirSync(folder)).toEqual([expected])
      expect(readdirSync(join(folder, expected))).toEqual(['instance-0'])
    })

    test('each adapter that is open has an instance of its own, the first that is free', async () => {
      const folder = freshFolder()
      const [first, second, third] = [level(folder), level(folder), level(folder)]
      await Promise.all([first.open('app'), second.open('app')])
      expect(readdirSync(join(folder, 'app'))).toEqual(['instance-0', 'instance-1'])
      await first.commit([{ scope: 'mine', entries: [['a', bytes('first')]] }])
      expect(await second.scopes()).toEqual([])
      await first.close()
      await third.open('app')
      expect(await third.scopes()).toEqual(['mine'])
      expect(readdirSync(join(folder, 'app'))).toHaveLength(2)
      await Promise.all([second.close(), third.close()])
    })

    test('exclusive refuses a second one, and opens once the first is closed', async () => {
      const folder = freshFolder()
      const [first, second] = [level(folder), level(folder, { exclusive: true })]
      await first.open('app')
      await expect(second.open('app')).rejects.toMatchObject({ code: 'STORE_LOCKED', place: { app: 'app' } })
      await first.close()
      await second.open('app')
      expect(readdirSync(join(folder, 'app'))).toEqual(['instance-0'])
      await second.close()
    })
  })

  describe('errors', () => {
    test.each(['', undefined, 5])('the directory %j is refused', (directory) => {
      expect(() => level(directory as string)).toThrow('BAD_OPTION: level: the directory must be a non-empty string')
    })

    test('a folder that cannot be made is STORE_FAILED with the cause, and opens once it can', async () => {
      const file = freshFolder()
      writeFileSync(file, 'a file where the folder would be')
      const store = level(file)
      await expect(store.open('app')).rejects.toMatchObject({
        code: 'STORE_FAILED',
        message: expect.stringContaining(`level ${file}: open failed: ENOTDIR`),
        cause: { code: 'ENOTDIR' },
        place: { app: 'app' },
      })
      rmSync(file)
      await store.open('app')
      await store.close()
    })

    test('getSync before open is STORE_CLOSED', () => {
      expect(() => level('./state').getSync?.('s', 'a')).toThrow(
        'STORE_CLOSED: level ./state: getSync needs an open store',
      )
    })
  })

  describe('crashes', () => {
    test('a write torn at any byte leaves the last whole commit', async () => {
      const folder = freshFolder()
      const store = level(folder)
      await store.open('app')
      const entriesOf = (n: number) => Array.from({ length: 5 }, (_, i) => [`key ${i}`, bytes(`commit ${n}`)] as const)
      for (let n = 1; n <= 3; n++) {
        await store.commit(['left', 'right'].map((scope) => ({ scope, entries: entriesOf(n), reset: n === 3 })))
      }
      await store.close()

      const log = readdirSync(join(folder, 'app', 'instance-0')).find((file) => file.endsWith('.log')) as string
      const length = readFileSync(join(folder, 'app', 'instance-0', log)).length
      const seen = new Set<string>()
      for (let cut = length; cut >= 0; cut -= 7) {
        const copy = freshFolder()
        cpSync(folder, copy, { recursive: true })
        truncateSync(join(copy, 'app', 'instance-0', log), cut)
        const torn = level(copy)
        await torn.open('app')
        seen.add(await counterOf(torn))
        await torn.close()
      }
      expect([...seen]).toEqual(['commit 3', 'commit 2', 'commit 1', 'nothing'])
    }, 60_000)

    test('a process killed in mid-commit loses nothing that it had committed, and frees its folder', async () => {
      const folder = freshFolder()
      let last = 0
      for (let round = 0; round < 5; round++) {
        const child = startProcess(folder)
        const enough = last + 3 + round * 5
        for await (const line of createInterface({ input: child.stdout as NodeJS.ReadableStream })) {
          if (line !== 'open') last = Number(line)
          if (last >= enough) child.kill('SIGKILL')
        }
        const survivor = level(folder)
        await survivor.open('counter')
        expect(readdirSync(join(folder, 'counter'))).toEqual(['instance-0'])
        expect(Number(await counterOf(survivor))).toBeGreaterThanOrEqual(last)
        last = Number(await counterOf(survivor))
        await survivor.close()
      }
    }, 120_000)

    test('another process that lives keeps its folder', async () => {
      const folder = freshFolder()
      const child = startProcess(folder, 'idle')
      const exited = new Promise((resolve) => child.once('exit', resolve))
      for await (const line of createInterface({ input: child.stdout as NodeJS.ReadableStream }))
        if (line === 'open') break
      const exclusive = level(folder, { exclusive: true })
      await expect(exclusive.open('counter')).rejects.toMatchObject({ code: 'STORE_LOCKED' })
      const second = level(folder)
      await second.open('counter')
      expect(readdirSync(join(folder, 'counter'))).toEqual(['instance-0', 'instance-1'])
      child.kill('SIGKILL')
      await exited
      await exclusive.open('counter')
      await Promise.all([second.close(), exclusive.close()])
    }, 60_000)
  })

  function startProcess(...args: string[]): ChildProcess {
    const file = join(import.meta.dirname, 'levelProcess.ts')
    const child = spawn(process.execPath, ['--import', 'tsx', file, ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
    children.push(child)
    return child
  }

  /** The one value that all entries of both scopes have. */
  async function counterOf(store: StoreAdapter): Promise<string> {
    const loaded = await Promise.all(['left', 'right'].map(async (scope) => await loadAll(store, scope)))
    expect(loaded[0]?.length).toBe(loaded[1]?.length)
    const values = new Set(loaded.flat().map(([, value]) => Buffer.from(value).toString()))
    expect(values.size).toBeLessThanOrEqual(1)
    return [...values][0] ?? 'nothing'
  }
})
