/** A mutant that no test can tell from the code, and why. Known by its code, as lines move. */
export interface Explained {
  readonly file: string
  /** The line, as it stands. */
  readonly code: string
  readonly change: string
  readonly reason: string
}

export const explained: readonly Explained[] = []
