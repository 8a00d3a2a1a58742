import { setTimeout as pause } from 'node:timers/promises'
import { type RunningKafka, startKafka } from '../spec/kafka/launcher.js'

/** A 4.3.1 loses the commit markers of partitions that have no leader (docs/decisions/0013-soak-on-an-older-kafka.md). */
const VERSION = '4.2.0'

/** A broker that can go away and come back with all that it had. */
export class Server {
  /** How long it was away, each time, in ms: its start takes most of it. */
  readonly outages: number[] = []

  private constructor(
    private running: RunningKafka,
    private readonly dir: string,
  ) {}

  static async start(dir: string): Promise<Server> {
    return new Server(await startKafka({ dir, version: VERSION }), dir)
  }

  get brokers(): string {
    return this.running.brokers
  }

  /** Ends it by that signal, waits, and starts it again; done when it answers. */
  async restart(signal: 'SIGKILL' | 'SIGTERM', downMs: number): Promise<void> {
    const goneAt = Date.now()
    const port = Number(this.brokers.split(':')[1])
    if (signal === 'SIGKILL') process.kill(this.running.pid, signal)
    await this.running.stop()
    await pause(downMs)
    this.running = await startKafka({ dir: this.dir, port, version: VERSION })
    this.outages.push(Date.now() - goneAt)
  }

  async stop(): Promise<void> {
    await this.running.stop()
  }
}
