import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from '@jest/globals'
import { connectionOptions } from '../../lib/cli/connectionOptions.js'

const dir = mkdtempSync(join(tmpdir(), 'tidemark-cli-'))
afterAll(() => rmSync(dir, { recursive: true, force: true }))

const file = (name: string, content: string) => {
  writeFileSync(join(dir, name), content)
  return join(dir, name)
}

test('brokers of the command line come before those of the config; the rest is its own', async () => {
  const sasl = { mechanism: 'plain', username: 'u', password: 'p' }
  const config = file('kafka.json', JSON.stringify({ brokers: ['a:1'], ssl: true, sasl }))
  expect(await connectionOptions(undefined, config)).toEqual({ brokers: ['a:1'], ssl: true, sasl })
  expect(await connectionOptions('b:2, c:3', config)).toEqual({ brokers: ['b:2', 'c:3'], ssl: true, sasl })
  expect(await connectionOptions('b:2', undefined)).toEqual({ brokers: ['b:2'] })
})

test('a config that is not well-formed is named, and nothing of it is told', async () => {
  const config = file('secret.json', '{ "password": "hunter2" ')
  const error = (await connectionOptions('b:2', config).catch((error) => error)) as Error
  expect(error.message).toContain('BAD_OPTION')
  expect(error.message).not.toContain('hunter2')
})

test.each([
  ['no brokers at all', undefined, /no brokers/],
  ['a file that is not there', 'gone.json', /gone\.json can't be read/],
])('%s is refused', async (_name, name, message) => {
  await expect(connectionOptions(undefined, name === undefined ? undefined : join(dir, name))).rejects.toThrow(message)
})
