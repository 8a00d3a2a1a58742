import type { OutRecord, Producer } from '../ports/broker.js'

/** Records on their way to the broker without a transaction. */
export class Outbox {
  private unsent: OutRecord[] = []
  private sending: Promise<void> | undefined
  /** About what those take in memory that the broker has yet to acknowledge. */
  bytes = 0
  private unsentBytes = 0
  /** How many have been given to the producer, and how many of them the broker has. */
  private taken = 0
  private acknowledged = 0

  constructor(
    private readonly producer: Producer,
    /** Some have been acknowledged. */
    private readonly onSent: () => void,
    private readonly onError: (error: unknown) => void,
  ) {}

  add(records: readonly OutRecord[], bytes: number): void {
    for (const record of records) this.unsent.push(record)
    this.unsentBytes += bytes
    this.bytes += bytes
  }

  /** Sends what is there, if nothing is being sent. */
  flush(): void {
    if (this.unsent.length === 0 || this.sending !== undefined) return
    this.sending = this.send()
    // A commit that waits for it fails by it; if none does, the app must all the same.
    this.sending.catch(this.onError)
  }

  /** Sends all that is there, as one batch. */
  private async send(): Promise<void> {
    const [records, bytes] = [this.unsent, this.unsentBytes]
    this.unsent = []
    this.unsentBytes = 0
    this.taken += records.length
    await this.producer.send(records)
    this.acknowledged += records.length
    this.bytes -= bytes
    this.sending = undefined
    this.onSent()
  }

  /**
   * Sends all that is there now, and resolves when it is acknowledged. What comes meanwhile is not waited for: under load it never ends. It asks
   * nobody to go on with the next batch: who does may have gone, and what waits for nothing spins and keeps the whole process from its other work.
   */
  async sent(): Promise<void> {
    const due = this.taken + this.unsent.length
    while (this.acknowledged < due) {
      this.flush()
      await this.sending
    }
  }
}
