/** The number of results, and the sum of their counts weighted by window: what every contestant must arrive at. */
export class Checksum {
  private results = 0
  private sum = 0

  constructor(private readonly sizeMs: number) {}

  add(start: number, value: number): void {
    this.results++
    this.sum += value * (start / this.sizeMs + 1)
  }

  toString(): string {
    return `${this.results} results, checksum ${this.sum}`
  }
}
