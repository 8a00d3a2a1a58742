const PLAIN_STATUS_MS = 2_000
/** How many lines one look may add. */
const MAX_LINES = 6

/** Lines that stay, above some that are drawn anew; where there is no terminal, all of them just follow one another. */
export class Screen {
  private status: readonly string[] = []
  private statusAt = 0

  constructor(private readonly out: NodeJS.WriteStream) {}

  line(text: string): void {
    this.lines([text])
  }

  /** The newest of them, and how many more there are. */
  lines(texts: readonly string[]): void {
    const left = texts.length - MAX_LINES
    const shown = left > 0 ? [`… ${left} more`, ...texts.slice(left)] : texts
    if (shown.length === 0) return
    this.out.write(this.out.isTTY ? `${this.up()}${shown.join('\n')}\n${this.drawn()}` : `${shown.join('\n')}\n`)
  }

  show(status: readonly string[]): void {
    const up = this.up()
    this.status = status
    if (this.out.isTTY) this.out.write(up + this.drawn())
    else if (Date.now() - this.statusAt >= PLAIN_STATUS_MS) {
      this.statusAt = Date.now()
      this.out.write(`${status.join('\n')}\n`)
    }
  }

  /** Leaves the last status where it is. */
  end(): void {
    this.out.write(this.out.isTTY ? '\n' : `${this.status.join('\n')}\n`)
  }

  /** To where the status begins, with nothing below. */
  private up(): string {
    return `\r${this.status.length > 1 ? `\x1b[${this.status.length - 1}A` : ''}\x1b[J`
  }

  private drawn(): string {
    const width = Math.max(0, this.out.columns - 1)
    return this.status.map((line) => line.slice(0, width)).join('\n')
  }
}
