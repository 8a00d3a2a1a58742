import type { OperatorFunction } from 'rxjs'
import { TidemarkError } from '../record/errors.js'
import { declare } from '../task/operate.js'
import { describeWindowing, type Windowing } from '../task/windowing.js'

declare const WINDOWED: unique symbol

/** A record on its way from a window to the aggregate that resolves it. Only a type: records don't change. */
export type InWindow<R> = R & { readonly [WINDOWED]: true }

export function declareWindowing<R>(windowing: Windowing): OperatorFunction<R, InWindow<R>> {
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
  }) as OperatorFunction<R, InWindow<R>>
}
