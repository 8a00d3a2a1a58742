import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { Kafka, logLevel } from 'kafkajs'

const run = promisify(execFile)

const KAFKA = '4.3.1'
const START_DEADLINE_MS = 90_000
const STOP_DEADLINE_MS = 10_000
const JVM = ['-Xmx512m', '-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC', '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn']

export interface RunningKafka {
  /** `host:port`, as clients want it. */
  readonly brokers: string
  /** The broker's process, for tests that end it the hard way. */
  readonly pid: number
  stop(): Promise<void>
}

export interface StartOptions {
  /** Where its log goes; stays after `stop`. Without it, a temporary folder that is removed. */
  readonly dir?: string
  /** A free one, if not given. */
  readonly port?: number
  /** More listeners, as `SASL_SSL://127.0.0.1:9093`. */
  readonly listeners?: readonly string[]
  /** More lines for its configuration. */
  readonly properties?: string
  /** More arguments for formatting its log, as `--add-scram=…`. */
  readonly format?: readonly string[]
  /** Of Kafka. Default: the one that the specs are run against. */
  readonly version?: string
}

/** Whether there is a Java to run it with. */
export async function hasJava(): Promise<boolean> {
  return run('java', ['-version']).then(
    () => true,
    () => false,
  )
}

/** Starts a broker of one node on this machine and waits until it answers. It ends with this process at the latest. */
export async function startKafka(options: StartOptions = {}): Promise<RunningKafka> {
  const { version = KAFKA } = options
  const cache = cacheOf(version)
  const lib = await jars(version)
  const dir = options.dir ?? (await mkdtemp(join(tmpdir(), 'kafka-')))
  await mkdir(dir, { recursive: true })
  const port = options.port ?? (await freePort())
  const config = join(dir, 'server.properties')
  const listeners = [`PLAINTEXT://127.0.0.1:${port}`, ...(options.listeners ?? [])]
  await writeFile(config, `${properties(dir, listeners.join(), await freePort())}${options.properties ?? ''}`)
  if (!existsSync(join(dir, 'data', 'meta.properties'))) {
    const id = randomBytes(16).toString('base64url')
    // `=`, since one id in 64 begins with a dash and would be read as an option.
    const format = ['kafka.tools.StorageTool', 'format', `--cluster-id=${id}`, '-c', config, ...(options.format ?? [])]
    await run('java', ['-cp', `${lib}/*`, ...JVM, ...format])
  }

  const archive = join(cache, 'classes.jsa')
  const newArchive = existsSync(archive) ? undefined : join(cache, `classes-${process.pid}-${port}.jsa`)
  const broker = spawn(
    'java',
    [...sharedClasses(archive, newArchive), '-cp', `${lib}/*`, ...JVM, 'kafka.Kafka', config],
    {
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  )
  const output: string[] = []
  for (const stream of [broker.stdout, broker.stderr])
    stream.on('data', (chunk: Buffer) => keepLast(output, String(chunk)))
  const guard = endWithUs(broker)

  const stop = async () => {
    await end(broker)
    guard.kill('SIGKILL')
    if (newArchive && existsSync(newArchive)) await rename(newArchive, archive)
    if (!options.dir) await rm(dir, { recursive: true, force: true })
  }
  try {
    await answers(`127.0.0.1:${port}`, broker)
  } catch (error) {
    await stop()
    throw new Error(`Kafka did not start: ${String(error)}\n${output.join('')}`)
  }
  return { brokers: `127.0.0.1:${port}`, pid: broker.pid as number, stop }
}

const cacheOf = (version: string) =>
  fileURLToPath(new URL(`../../node_modules/.cache/kafka-${version}`, import.meta.url))

/** Fetches the broker's classes once. */
async function jars(version: string): Promise<string> {
  const cache = cacheOf(version)
  const lib = join(cache, 'lib')
  if (existsSync(lib)) return lib
  await mkdir(cache, { recursive: true })
  const folder = await mkdtemp(join(cache, 'fetch-'))
  try {
    await writeFile(join(folder, 'pom.xml'), pom(version))
    await run('mvn', ['-q', '-B', 'dependency:copy-dependencies', '-DincludeScope=runtime', '-DoutputDirectory=lib'], {
      cwd: folder,
    })
    // Another run may have been quicker: then its jars are as good as these.
    await rename(join(folder, 'lib'), lib).catch((error) => {
      if (!existsSync(lib)) throw error
    })
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
  return lib
}

/** An archive of loaded classes, written by the first broker that stops; it takes seconds off the next start. */
function sharedClasses(archive: string, newArchive: string | undefined): string[] {
  const quiet = ['-Xlog:cds=off', '-Xlog:cds+dynamic=off']
  return newArchive
    ? [`-XX:ArchiveClassesAtExit=${newArchive}`, ...quiet]
    : [`-XX:SharedArchiveFile=${archive}`, '-Xshare:auto', ...quiet]
}

async function answers(brokers: string, broker: ChildProcess): Promise<void> {
  const kafka = new Kafka({ brokers: [brokers], logLevel: logLevel.NOTHING, retry: { retries: 0 } })
  const deadline = Date.now() + START_DEADLINE_MS
  for (;;) {
    const admin = kafka.admin()
    try {
      await admin.connect()
      const { brokers: nodes } = await admin.describeCluster()
      if (nodes.length > 0) return
    } catch (error) {
      if (broker.exitCode !== null) throw new Error(`it ended with code ${broker.exitCode}`)
      if (Date.now() > deadline) throw error
    } finally {
      await admin.disconnect().catch(() => {})
    }
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

/** Ends the broker when this process ends, however that happens: what it waits to read from us then ends too. */
function endWithUs(broker: ChildProcess): ChildProcess {
  const guard = spawn('/bin/sh', ['-c', `read -r _; kill -9 ${broker.pid}`], { stdio: ['pipe', 'ignore', 'ignore'] })
  guard.unref()
  return guard
}

/** Asks it to stop, and makes it stop if it doesn't. */
async function end(broker: ChildProcess): Promise<void> {
  if (broker.exitCode !== null || broker.signalCode !== null) return
  const ended = new Promise<void>((resolve) => broker.once('exit', () => resolve()))
  broker.kill('SIGTERM')
  const force = setTimeout(() => broker.kill('SIGKILL'), STOP_DEADLINE_MS)
  await ended
  clearTimeout(force)
}

export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  await new Promise((resolve) => server.close(resolve))
  return port
}

function keepLast(output: string[], chunk: string): void {
  output.push(chunk)
  if (output.length > 50) output.shift()
}

function properties(dir: string, listeners: string, controllerPort: number): string {
  return `
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:${controllerPort}
listeners=${listeners},CONTROLLER://127.0.0.1:${controllerPort}
advertised.listeners=${listeners}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
log.dirs=${join(dir, 'data')}
auto.create.topics.enable=false
num.partitions=1
default.replication.factor=1
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=2
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.abort.timed.out.transaction.cleanup.interval.ms=1000
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
log.retention.ms=-1
log.segment.bytes=104857600
log.cleaner.dedupe.buffer.size=8388608
log.cleaner.backoff.ms=1000
`
}

const pom = (version: string) => `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>spec</groupId><artifactId>kafka</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>${version}</version></dependency>
    <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>1.7.36</version></dependency>
  </dependencies>
</project>
`
