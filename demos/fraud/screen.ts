import { instant, type Sight } from './onlooker.js'
import type { Alert } from './pipeline.js'

export const alertLine = ({ at, rule, user, reason, confidence, transaction }: Alert) =>
  `${instant(at)}  ALERT  ${rule.padEnd(17)}  ${user}  ${reason} (${transaction}, confidence ${confidence})`

export function statusLine({ transactions, handled, perSecond, late, alerts, watermark }: Sight): string {
  const raised = Object.entries(alerts).map(([rule, n]) => `${rule} ${n}`)
  const total = Object.values(alerts).reduce((sum, n) => sum + n, 0)
  const time = watermark === undefined ? '-' : instant(watermark)
  return `${transactions} in, ${handled} handled, ${perSecond}/s | watermark ${time} | late ${late} | alerts ${total}: ${raised.join(', ')}`
}

const PLAIN_STATUS_MS = 2_000

/** Lines that stay, above one that is drawn anew; where there is no terminal, all of them just follow one another. */
export class Screen {
  private status = ''
  private statusAt = 0

  constructor(private readonly out: NodeJS.WriteStream) {}

  line(text: string): void {
    this.out.write(this.out.isTTY ? `\r\x1b[K${text}\n${this.clipped()}` : `${text}\n`)
  }

  show(status: string): void {
    this.status = status
    if (this.out.isTTY) this.out.write(`\r\x1b[K${this.clipped()}`)
    else if (Date.now() - this.statusAt >= PLAIN_STATUS_MS) {
      this.statusAt = Date.now()
      this.out.write(`${status}\n`)
    }
  }

  /** Leaves the last status as a line. */
  end(): void {
    if (this.out.isTTY && this.status !== '') this.out.write('\n')
  }

  private clipped(): string {
    return this.status.slice(0, Math.max(0, this.out.columns - 1))
  }
}
