import { Observable, type Subscriber } from 'rxjs'
import { active, setActive } from './current.js'
import type { Definition } from './definition.js'
import type { Node } from './node.js'

/** Somebody outside of the tasks who follows what the nodes of a definition emit: a table's watchers. */
export interface Onlooker {
  /** Whose records tell of changes, where a task has a node for it; else the definition's own. */
  readonly changes: Definition
  /** A task has begun to run, with what its node shows. */
  opened(shown: unknown): void
  emitted(record: unknown): void
  /** Nothing more will be emitted in that task. */
  completed(): void
}

/** Running nodes that show something, by definition. */
const publishers = new WeakMap<Definition, Set<Node>>()
const onlookers = new WeakMap<Definition, Onlooker>()

/** What running nodes of a definition show: what a table reads from outside. */
export function* publishedBy(definition: Definition): IterableIterator<unknown> {
  for (const node of publishers.get(definition) ?? []) yield node.shown
}

/** A node begins to show something. */
export function show(node: Node): void {
  const { definition } = node
  publishers.set(definition, (publishers.get(definition) ?? new Set()).add(node))
  const onlooker = onlookers.get(definition)
  if (onlooker === undefined) return
  attach(node, onlooker.changes, onlooker)
  outsideOfTasks(() => onlooker.opened(node.shown))
}

/** It ends. */
export function hide(node: Node): void {
  publishers.get(node.definition)?.delete(node)
}

/** Lets somebody follow the running nodes of a definition, and those that begin later. One at a time. */
export function lookOn(definition: Definition, onlooker: Onlooker): () => void {
  const attachAll = (to: Onlooker | undefined) => {
    for (const node of publishers.get(definition) ?? []) attach(node, onlooker.changes, to)
  }
  onlookers.set(definition, onlooker)
  attachAll(onlooker)
  return () => {
    onlookers.delete(definition)
    attachAll(undefined)
  }
}

function attach(node: Node, changes: Definition, onlooker: Onlooker | undefined): void {
  const teller = node.scope.nodes.get(changes) ?? node
  teller.onlooker = onlooker
}

/** Runs what belongs to no task, be it in the middle of one's dispatch. */
export function outsideOfTasks(run: () => void): void {
  const task = active
  setActive(undefined)
  try {
    run()
  } finally {
    setActive(task)
  }
}

/** An Observable for those outside: no operator, and in no plan. */
export const toOutside = <T>(subscribe: (subscriber: Subscriber<T>) => () => void): Observable<T> =>
  new Observable(subscribe)
