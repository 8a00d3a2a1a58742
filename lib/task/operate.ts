import { Observable, type OperatorFunction, type Subscriber } from 'rxjs'
import { TidemarkError } from '../record/errors.js'
import { active, building, remember } from './current.js'
import type { Definition, Handlers, OperatorContext } from './definition.js'
import type { Path } from './edge.js'
import { LocalScope } from './local.js'

/** What may be said about an operator; the rest follows from its kind. */
export type Traits = Partial<Omit<Definition, 'kind' | 'inputs' | 'setup'>>

/**
 * Makes the Observable of a definition: subscribed in a task it becomes that task's one node for it, however
 * often it is used; subscribed outside of any app it makes a local task.
 */
export function define<In, Out>(
  kind: string,
  inputs: readonly Observable<unknown>[],
  setup: (context: OperatorContext<Out>) => Handlers<In>,
  traits: Traits = {},
): Observable<Out> {
  const definition: Definition = {
    name: undefined,
    role: undefined,
    windowing: 'carries',
    usesTime: false,
    untimed: [],
    bootstraps: [],
    coPartitioned: false,
    keyed: true,
    changesKey: undefined,
    version: undefined,
    holds: undefined,
    sideOutputs: [],
    ...traits,
    kind,
    inputs,
    setup: setup as unknown as Definition['setup'],
  }
  const observable = new Observable<Out>((subscriber) => {
    const scope = building
    if (active !== undefined && (scope === undefined || scope === active)) {
      throw new TidemarkError(
        'NOT_PLANNED',
        `${kind} was subscribed while a record was being handled (by concat, switchMap, mergeMap, retry or the like); build the whole pipeline first, and merge instead`,
        { operator: definition.name ?? kind },
      )
    }
    if (scope !== undefined) scope.attach(definition, subscriber as Subscriber<unknown>)
    else LocalScope.subscribe(observable, subscriber, false)
  })
  remember(observable, definition)
  return observable
}

/**
 * Makes a pipeable operator: the one seam to RxJS. It owns what all operators share: finding or making the task, planning, one
 * node per task, time and timers, state, counting, catching errors with the record's coordinates, the checks for asynchronous gaps
 * and foreign tasks, completion and teardown.
 *
 * @param setup called once per task, when the graph around the operator is complete
 */
export function operate<In, Out>(
  kind: string,
  setup: (context: OperatorContext<Out>) => Handlers<In>,
  traits: Traits = {},
): OperatorFunction<In, Out> {
  return (source) => define<In, Out>(kind, [source], setup, traits)
}

/** Declares something about the edge to the next operator; costs nothing per record, as there is no node. */
export function declare<T>(kind: string, change: (path: Path) => void): OperatorFunction<T, T> {
  return (source) => {
    const observable: Observable<T> = new Observable<T>((subscriber) => {
      const scope = building
      if (scope === undefined) {
        if (active !== undefined)
          throw new TidemarkError('NOT_PLANNED', `${kind} was subscribed while a record was being handled`, {
            operator: kind,
          })
        LocalScope.subscribe(observable, subscriber, false)
        return
      }
      scope.declare(change, () => source.subscribe(subscriber))
    })
    return observable
  }
}
