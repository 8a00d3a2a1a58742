import type { Taken } from './matchedRecords.js'

/** The beginning of a match, and perhaps a match itself. */
export interface PartialMatch {
  readonly taken: readonly Taken[]
  /** The steps that its next record may belong to; the number of steps stands for the absence at the end. */
  open: readonly number[]
  /** It has been a match. */
  isMatch: boolean
}

export const lastOf = ({ taken }: PartialMatch) => taken[taken.length - 1] as Taken
export const firstOf = ({ taken }: PartialMatch) => taken[0] as Taken

export const timeOf = ({ record }: Taken): number => record.rest.timestamp

/** What becomes of a key's partial matches by one record, or when a time limit passes. */
export class Outcome {
  readonly kept: PartialMatch[] = []
  readonly matches: PartialMatch[] = []
  readonly timedOut: PartialMatch[] = []
  /** Partial matches whose first record has at most this number are gone. */
  private skippedTo = -1

  constructor(private readonly skipsPastLast: boolean) {}

  match(partial: PartialMatch): void {
    if (this.isSkipped(partial)) return
    this.matches.push(partial)
    if (!this.skipsPastLast) return
    this.skippedTo = lastOf(partial).number
    this.kept.length = 0
  }

  timeOut(partial: PartialMatch): void {
    if (!this.isSkipped(partial)) this.timedOut.push(partial)
  }

  /** Keeps it if it waits for anything. */
  keep(partial: PartialMatch): void {
    if (partial.open.length > 0 && !this.isSkipped(partial)) this.kept.push(partial)
  }

  private isSkipped(partial: PartialMatch): boolean {
    return firstOf(partial).number <= this.skippedTo
  }
}
