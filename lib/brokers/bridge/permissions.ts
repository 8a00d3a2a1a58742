import type { IncomingMessage } from 'node:http'
import { SILENT_BEATS } from '../rules/bridgeMessages.js'

/** Who asks, and for what. */
export interface BridgeRequest {
  /** The request that opened the connection, with its headers and cookies. */
  readonly request: IncomingMessage
  /** What the client's `token` gave, if it has one. */
  readonly token: string | undefined
  readonly topic: string
}

interface Host {
  readonly heartbeatMs: number
  authorise(request: BridgeRequest): boolean | Promise<boolean>
  report(error: unknown): void
}

/** What one client may read: decided once per topic. */
export class Permissions {
  private readonly decisions = new Map<string, Promise<boolean>>()

  constructor(
    private readonly host: Host,
    private readonly requestFor: (topic: string) => BridgeRequest,
  ) {}

  mayRead(topic: string): Promise<boolean> {
    let decision = this.decisions.get(topic)
    if (!decision) {
      decision = this.ask(topic)
      this.decisions.set(topic, decision)
      // Whoever can't tell now is asked again.
      decision.catch(() => this.decisions.delete(topic))
    }
    return decision
  }

  private async ask(topic: string): Promise<boolean> {
    let timer: ReturnType<typeof setTimeout> | undefined
    // The client is alive and would wait for ever, and so would whoever waits for its records.
    const late = new Promise<never>((_, reject) => {
      const ms = SILENT_BEATS * this.host.heartbeatMs
      timer = setTimeout(() => reject(new Error(`authorise has not answered within ${ms} ms`)), ms)
    })
    try {
      return (await Promise.race([this.host.authorise(this.requestFor(topic)), late])) === true
    } catch (error) {
      this.host.report(error)
      throw new Error('authorise failed', { cause: error })
    } finally {
      clearTimeout(timer)
    }
  }
}
