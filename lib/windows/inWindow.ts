import type { Observable, OperatorFunction } from 'rxjs'
import { type Duration, durationMs } from '../record/duration.js'
import { TidemarkError } from '../record/errors.js'
import { declare } from '../task/operate.js'
import { describeWindowing } from '../task/windowing.js'
import type { DeclaredWindow } from './strategy.js'

declare const WINDOWED: unique symbol

/**
 * A record on its way from a window to the aggregate that resolves it. Only a type: records don't change. `Gone` is null where a window's
 * result may be taken back.
 */
export type InWindow<R, Gone extends null = never> = R & { readonly [WINDOWED]: { readonly gone: Gone } }

export interface WindowOptions {
  /** How long after its end, in event time, a window takes late records. Default 0. */
  readonly grace?: Duration
  /** A `sideOutput` for the records that come even later. They are counted in any case. */
  readonly late?: Observable<unknown>
}

/** The same options for all kinds of window. */
export const windowOptions = (kind: string, { grace = 0, late }: WindowOptions) => ({
  kind,
  graceMs: durationMs(grace, `${kind}: grace`),
  late,
})

export function declareWindow<R, Gone extends null = never>(
  windowing: DeclaredWindow,
): OperatorFunction<R, InWindow<R, Gone>> {
  return declare<R>(windowing.kind, (path) => {
    if (path.windowing !== undefined) {
      throw new TidemarkError(
        'TWO_WINDOWS',
        `a window on a windowed stream: ${describeWindowing(path.windowing)} over ${describeWindowing(windowing)}; aggregate between them`,
        {
          operator: windowing.kind,
        },
      )
    }
    path.windowing = windowing
  }) as OperatorFunction<R, InWindow<R, Gone>>
}
