import type { TraceEvent } from 'tidemark'
import type { Sight } from '../shared/onlooker.js'

/** What the page asks of the worker. */
export type LiveCommand = 'go' | 'pause' | 'reset'

/** What the worker tells the page. */
export type LiveMessage =
  | {
      readonly type: 'sight'
      readonly sight: Sight
      readonly told: readonly TraceEvent[]
      /** Another tab runs the pipeline, and this one looks on. */
      readonly isStandingBy: boolean
    }
  /** All has been deleted. */
  | { readonly type: 'gone' }
  | { readonly type: 'failed'; readonly message: string }
