import type { Firing, OperatorContext } from '../task/definition.js'

/** The time by which windows take records and close. */
export interface WindowTime {
  /** Takes the record that is being handled into time, and returns the time by which it is late or not. */
  accept(timestamp: number): number
  /** The time by which windows close. */
  now(): number
  /** All that was due by this time is out, where that isn't so by the operator's own: it is ahead of what may still come out. */
  settled?(): number
  /** Lets something fire as that goes on. */
  fires(firing: Firing): void
}

/** The operator's own time: all its records' in one. */
export const operatorTime = (context: OperatorContext<unknown>): WindowTime => ({
  accept: context.accept,
  now: context.time,
  fires: context.fires,
})
