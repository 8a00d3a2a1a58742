import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { chmod, chown, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import pg from 'pg'

const run = promisify(execFile)

/** Where Debian keeps the server's programs, by version. */
const VERSIONS = '/usr/lib/postgresql'
const DEADLINE_MS = 30_000

export interface RunningPostgres {
  readonly port: number
  readonly password: string
  /** For clients; the database is `postgres`. */
  readonly connectionString: string
  /** Connections of a test's own, which it ends. */
  pool(config?: pg.PoolConfig): pg.Pool
  /** Ends it as an administrator would, dropping all connections, and starts it anew. */
  restart(): Promise<void>
  stop(): Promise<void>
}

/** The folder of the server's programs; undefined if it isn't installed. */
export function findPostgres(): string | undefined {
  const versions = existsSync(VERSIONS) ? readdirSync(VERSIONS) : []
  const newest = versions.sort((a, b) => Number(b) - Number(a))[0]
  return newest === undefined ? undefined : join(VERSIONS, newest, 'bin')
}

/** Starts a server on this machine, over an empty folder, and waits until it answers. It ends with this process at the latest. */
export async function startPostgres(bin: string): Promise<RunningPostgres> {
  const dir = await mkdtemp(join(tmpdir(), 'postgres-'))
  const data = join(dir, 'data')
  const password = 'correct-horse-battery-staple'
  const port = await freePort()
  const connectionString = `postgres://tidemark:${password}@127.0.0.1:${port}/postgres`
  // It refuses to run as root.
  const user = process.getuid?.() === 0 ? await postgresUser() : undefined
  await writeFile(join(dir, 'password'), password)
  if (user !== undefined) for (const path of [dir, join(dir, 'password')]) await chown(path, user.uid, user.gid)
  await chmod(dir, 0o700)
  const init = ['-D', data, '-U', 'tidemark', '-A', 'scram-sha-256', '--pwfile', join(dir, 'password'), '--no-sync']
  await run(join(bin, 'initdb'), [...init, '-E', 'UTF8', '--no-locale'], { ...user, cwd: dir })

  let server: ChildProcess
  let guard: ChildProcess
  const start = async () => {
    // Without fsync: what ends here are processes, never the machine.
    const options = ['-D', data, '-p', String(port), '-h', '127.0.0.1', '-k', dir, '-F', '-c', 'max_connections=50']
    server = spawn(join(bin, 'postgres'), options, { ...user, cwd: dir, stdio: ['ignore', 'ignore', 'pipe'] })
    guard = endWithUs(server)
    const log: string[] = []
    server.stderr?.on('data', (chunk: Buffer) => log.push(String(chunk)))
    try {
      await answers(connectionString, server)
    } catch (error) {
      await end()
      throw new Error(`PostgreSQL did not start: ${String(error)}\n${log.join('')}`)
    }
  }
  const end = async () => {
    if (server.exitCode === null && server.signalCode === null) {
      const ended = new Promise((resolve) => server.once('exit', resolve))
      server.kill('SIGINT')
      await ended
    }
    guard.kill('SIGKILL')
  }
  await start()
  return {
    port,
    password,
    connectionString,
    pool(config = {}) {
      const pool = new pg.Pool({ connectionString, ...config })
      // The server may end before they have: `end` doesn't wait for that.
      pool.on('error', () => {})
      return pool
    },
    async restart() {
      await end()
      await start()
    },
    async stop() {
      await end()
      await rm(dir, { recursive: true, force: true })
    },
  }
}

async function postgresUser(): Promise<{ uid: number; gid: number }> {
  const id = async (flag: string) => Number((await run('id', [flag, 'postgres'])).stdout)
  return { uid: await id('-u'), gid: await id('-g') }
}

async function answers(connectionString: string, server: ChildProcess): Promise<void> {
  const deadline = Date.now() + DEADLINE_MS
  for (;;) {
    const client = new pg.Client({ connectionString })
    try {
      await client.connect()
      await client.end()
      return
    } catch (error) {
      if (server.exitCode !== null) throw new Error(`it ended with code ${server.exitCode}`)
      if (Date.now() > deadline) throw error
    }
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

/** Ends the server when this process ends, however that happens: what it waits to read from us then ends too. */
function endWithUs(server: ChildProcess): ChildProcess {
  const guard = spawn('/bin/sh', ['-c', `read -r _; kill -QUIT ${server.pid}`], { stdio: ['pipe', 'ignore', 'ignore'] })
  guard.unref()
  return guard
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  await new Promise((resolve) => server.close(resolve))
  return port
}
