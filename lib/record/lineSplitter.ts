import { BrokenFile } from './unzipped.js'

/** Longer lines are neither written nor read: a file that is one endless line would fill the memory. */
export const MAX_LINE_CHARS = 1 << 28

/** Cuts text that comes in pieces into lines. */
export class LineSplitter {
  /** Of the line that has begun: joined once, when it ends. */
  private begun: string[] = []
  private chars = 0

  /** @returns the lines that end in this piece, without their ends @throws BrokenFile a line is too long */
  add(piece: string): string[] {
    const lines = piece.split('\n')
    const rest = lines.pop() as string
    if (lines.length > 0) {
      this.begin(lines[0] as string)
      lines[0] = this.rest()
    }
    this.begin(rest)
    return lines
  }

  /** What has begun, and has no end. */
  rest(): string {
    const text = this.begun.join('')
    this.begun = []
    this.chars = 0
    return text
  }

  private begin(text: string): void {
    if (text === '') return
    this.chars += text.length
    if (this.chars > MAX_LINE_CHARS) throw new BrokenFile(`the next line has more than ${MAX_LINE_CHARS} characters`)
    this.begun.push(text)
  }
}
