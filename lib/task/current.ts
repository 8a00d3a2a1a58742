import type { Observable } from 'rxjs'
import type { Definition } from './definition.js'
import type { Scope } from './scope.js'

/** The task whose dispatch is running. Records that reach an operator of another one are refused. */
export let active: Scope | undefined

export const setActive = (scope: Scope | undefined): void => {
  active = scope
}

/** The planner or task that is subscribing its pipeline: operators find it when they are subscribed, as `inject()` does in Angular. */
export let building: Scope | undefined

export const setBuilding = (scope: Scope | undefined): void => {
  building = scope
}

const definitions = new WeakMap<object, Definition>()
const observables = new WeakMap<Definition, Observable<unknown>>()

/** What made an Observable, if one of our operators did. */
export const definitionOf = (observable: object): Definition | undefined => definitions.get(observable)

export const observableOf = (definition: Definition): Observable<unknown> =>
  observables.get(definition) as Observable<unknown>

export const remember = (observable: Observable<unknown>, definition: Definition): void => {
  definitions.set(observable, definition)
  observables.set(definition, observable)
}
