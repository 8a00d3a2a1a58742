import { setTimeout as pause } from 'node:timers/promises'
import { type RunningKafka, startKafka } from '../spec/kafka/launcher.js'

/**
 * Not 4.3: when its only broker stops or is killed while transactions are being committed, a 4.3.1 takes the partitions that have no leader for a moment for
 * deleted and never writes their commit markers (`Couldn't find leader endpoint for partitions …, these partitions are likely deleted already and
 * hence can be skipped`), so that it says of a transaction that it is committed and shows half of it. Up to 4.2 it waits for the leader.
 */
const VERSION = '4.2.0'

/** A broker that can go away and come back with all that it had. */
export class Server {
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
    const port = Number(this.brokers.split(':')[1])
    if (signal === 'SIGKILL') process.kill(this.running.pid, signal)
    await this.running.stop()
    await pause(downMs)
    this.running = await startKafka({ dir: this.dir, port, version: VERSION })
  }

  async stop(): Promise<void> {
    await this.running.stop()
  }
}
