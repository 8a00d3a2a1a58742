import { setTimeout as pause } from 'node:timers/promises'
import { type RunningKafka, startKafka } from '../spec/kafka/launcher.js'

/** A broker that can go away and come back with all that it had. */
export class Server {
  private constructor(
    private running: RunningKafka,
    private readonly dir: string,
  ) {}

  static async start(dir: string): Promise<Server> {
    return new Server(await startKafka({ dir }), dir)
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
    this.running = await startKafka({ dir: this.dir, port })
  }

  async stop(): Promise<void> {
    await this.running.stop()
  }
}
