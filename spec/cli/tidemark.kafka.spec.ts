import { execFile, execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { createApp, deadLetter, json, mapValues, memory, toTopic } from 'tidemark'
import { kafka } from 'tidemark/kafka'
import { openRecording } from 'tidemark/replay'
import { rawTopics } from '../app/raw.js'
import { describeKafka } from '../kafka/testKafka.js'
import { ROOT } from '../laws/sources.js'
import { until } from '../until.js'

const run = promisify(execFile)

await describeKafka('the command line, as the package has it', (brokers) => {
  // Beneath the repository, so that packages are found from there.
  const dist = join(ROOT, 'node_modules/.cache/cli-spec')
  const { bin } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { bin: { tidemark: string } }
  const main = join(dist, bin.tidemark.replace('./dist/', ''))
  const tidemark = (...args: string[]) => run(process.execPath, [main, ...args], { cwd: ROOT })

  beforeAll(() => {
    rmSync(dist, { recursive: true, force: true })
    execFileSync(process.execPath, [
      join(ROOT, 'node_modules/ts7/bin/tsc'),
      '-p',
      join(ROOT, 'tsconfig.build.json'),
      '--outDir',
      dist,
    ])
  })
  afterAll(() => rmSync(dist, { recursive: true, force: true }))

  test('starts as a program, and names its commands', async () => {
    expect(readFileSync(main, 'utf8')).toMatch(/^#!\/usr\/bin\/env node\n/)
    expect((await tidemark('--help')).stdout).toContain('replay-dead-letters')
  })

  test('what an app has set aside goes back once it is repaired, each once', async () => {
    const name = `cli-${Date.now().toString(36)}`
    const [orders, out, dead] = [`${name}-orders`, `${name}-out`, `${name}-dead`]
    const topics = await rawTopics({ [orders]: 2, [out]: 1 }, kafka({ brokers }))
    const start = async (isRepaired: boolean) => {
      const app = createApp({ id: name, broker: kafka({ brokers }), store: memory(), onError: deadLetter(dead) })
      const price = (n: number) => {
        if (n < 0 && !isRepaired) throw new RangeError(`no price for ${n}`)
        return Math.abs(n)
      }
      app.run('price', app.stream<number>(orders, { value: json() }).pipe(mapValues(price), toTopic(out)))
      await app.start()
      return app
    }
    const broken = await start(false)
    await topics.send({ topic: orders, partition: 1 }, 'a', '-1', 1_000)
    await topics.send({ topic: orders, partition: 0 }, 'b', '2', 2_000)
    await topics.send({ topic: orders, partition: 0 }, 'c', '-3', 3_000)
    await until('the letters', async () => (await topics.read(dead)).length === 2, 30_000)
    await until('the good one', async () => (await topics.read(out)).length === 1)
    await broken.stop()

    const dry = await tidemark('replay-dead-letters', '--brokers', brokers.join(','), '--from', dead, '--dry-run')
    expect(dry.stdout).toContain(
      `-> ${orders}[1] OPERATOR_FAILED (process, mapValues): "OPERATOR_FAILED: no price for -1`,
    )
    const config = join(dist, 'config.mjs')
    mkdirSync(dist, { recursive: true })
    writeFileSync(config, `export default { brokers: ${JSON.stringify(brokers)} }`)
    const first = await tidemark('replay-dead-letters', '--config', config, '--from', dead)
    expect(first.stdout.trim().split('\n').at(-1)).toBe(
      `${dead}: 2 put back, 0 left out by the filter, 0 no dead letters`,
    )
    const second = await tidemark('replay-dead-letters', '--config', config, '--from', dead)
    expect(second.stdout.trim()).toBe(`${dead}: 0 put back, 0 left out by the filter, 0 no dead letters`)

    const repaired = await start(true)
    await until('all of them', async () => (await topics.read(out)).length === 3, 30_000)
    await repaired.stop()
    expect((await topics.read(out)).map(({ key, value, timestamp }) => `${key} ${value} ${timestamp}`).sort()).toEqual([
      'a 1 1000',
      'b 2 2000',
      'c 3 3000',
    ])
    const back = (await topics.read(orders)).map(({ partition, key, value, timestamp }) => [
      partition,
      key,
      value,
      timestamp,
    ])
    expect(back).toEqual([
      [0, 'b', '2', 2_000],
      [0, 'c', '-3', 3_000],
      [0, 'c', '-3', 3_000],
      [1, 'a', '-1', 1_000],
      [1, 'a', '-1', 1_000],
    ])
    await topics.broker.close()
  }, 120_000)

  test('records topics to a file, as they are', async () => {
    const name = `cli-record-${Date.now().toString(36)}`
    const [orders, users] = [`${name}-orders`, `${name}-users`]
    const topics = await rawTopics({ [orders]: 2, [users]: 1 }, kafka({ brokers }))
    for (let n = 0; n < 50; n++) await topics.send({ topic: orders, partition: n % 2 }, `k${n}`, `${n}`, 1_000 + 10 * n)
    await topics.send({ topic: users, partition: 0 }, 'ann', null, 1_095)
    mkdirSync(dist, { recursive: true })
    const file = join(dist, 'orders.jsonl.gz')
    const record = (...args: string[]) =>
      tidemark('record', '--brokers', brokers.join(','), '--topics', `${orders},${users}`, '--to', file, ...args)

    expect((await record('--until', '1970-01-01T00:00:01.480Z')).stdout).toMatch(
      new RegExp(`: 49 records of ${orders}, ${users}, \\d+ bytes\\n$`),
    )
    const recording = await openRecording(new Blob([readFileSync(file)]))
    expect([...recording.topics]).toEqual([
      [orders, 2],
      [users, 1],
    ])
    const text = (bytes: Uint8Array | null) => bytes && new TextDecoder().decode(bytes)
    const found = Array.from({ length: recording.size }, (_, index) => {
      const { topic, partition, offset, timestamp, key, value } = recording.record(index)
      return [topic, partition, offset, timestamp, text(key), text(value)]
    })
    const sent = Array.from({ length: 48 }, (_, n) => [orders, n % 2, n >> 1, 1_000 + 10 * n, `k${n}`, `${n}`])
    expect(found).toEqual([...sent.slice(0, 10), [users, 0, 0, 1_095, 'ann', null], ...sent.slice(10)])

    const again = await record().catch((e) => e)
    expect(again).toMatchObject({ code: 1, stderr: expect.stringMatching(/^BAD_OPTION: --to .*EEXIST/) })
    await topics.broker.close()
  }, 60_000)

  test('what is wrong is told in a line, and the exit code is 1', async () => {
    const failed = await tidemark('replay-dead-letters', '--brokers', brokers.join(','), '--from', 'no-such').catch(
      (e) => e,
    )
    expect(failed).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('UNKNOWN_TOPIC: the broker has no topic no-such'),
    })
    const usage = await tidemark('replay-dead-letters').catch((e) => e)
    expect(usage.stderr).toContain("required option '--from <topic>'")
  })
})
