import type { Broker } from '../ports/broker.js'
import type { Clock } from '../ports/clock.js'
import type { StoreAdapter } from '../ports/store.js'
import type { ErrorPolicies } from '../task/errorPolicy.js'
import type { Tracer } from '../task/tracer.js'
import type { Guarantee, StateKeeper } from './committer.js'
import type { GlobalTopic } from './globalTopic.js'
import type { Plan } from './plan.js'
import type { UpgradeOptions } from './planComparison.js'
import type { ReadThrough } from './readThrough.js'

/** The options of an app as they hold, defaults and all. */
export interface RuntimeOptions {
  readonly id: string
  readonly instance: string
  readonly broker: Broker
  readonly store: StoreAdapter
  readonly clock: Clock
  readonly guarantee: Guarantee
  readonly keeper: StateKeeper
  readonly standbys: number
  readonly commitMs: number
  readonly watermarkMs: number
  readonly sliceMs: number
  readonly maxTaskIdleMs: number
  readonly maxBufferedBytes: number
  readonly readThrough: ReadThrough | undefined
  readonly stallMs: number
  readonly upgrade: UpgradeOptions
  readonly plan: () => Plan
  readonly globals: readonly GlobalTopic[]
  readonly onError: ErrorPolicies | undefined
  readonly trace: Tracer | undefined
}
