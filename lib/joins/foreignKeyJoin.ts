import type { Observable } from 'rxjs'
import { checkSerde } from '../record/checkSerde.js'
import { type Key, keyIdentity } from '../record/key.js'
import { record, type StreamRecord } from '../record/record.js'
import { json, type Serde } from '../record/serde.js'
import type { Change } from '../tables/change.js'
import { KeptRows } from '../tables/keptRows.js'
import type { Rows } from '../tables/rows.js'
import { type AnyTable, makeTable, rowsDefinition, type Table, type TableOperator } from '../tables/table.js'
import { definitionOf } from '../task/current.js'
import type { Definition, Handlers, OperatorContext } from '../task/definition.js'
import { exchange } from '../task/exchange.js'
import { define } from '../task/operate.js'
import { type VersionOptions, versionOf } from '../task/stateVersion.js'
import { type Answer, answerSerde, type Subscription, subscriptionSerde, type Turn } from './foreignKeyMessages.js'
import { foreignKeys, type Versions } from './foreignKeys.js'
import { subscribers } from './subscribers.js'

export interface ForeignKeyJoinOptions<RV, Kind extends 'inner' | 'left' = 'inner' | 'left'> extends VersionOptions {
  /** `inner`: left rows without a right one are left out. `left`: they meet null. Default `inner`. */
  readonly kind?: Kind
  /** Names the states, and the internal topics `<app>-<name>-subscriptions-repartition` and `<app>-<name>-answers-repartition`. */
  readonly name: string
  /** Of right rows on their way to the left ones' tasks. Default JSON, which refuses what it would not give back. */
  readonly value?: Serde<RV>
}

/**
 * Joins each row of a table with the row of another one that it points to, whatever the tables' own keys and partitions.
 *
 * ```
 * foreignKeyJoin(right, (value) => value, …)     a column is 1 ms
 * right  X---------Y---Z------|     X: gold 10          Y: gold 20          Z: gold null
 * left   --a--b--------------c|     a: ann gold         b: bob lead         c: ann null
 * inner  --p-------q---r-----s|     p: ann gold 10      q: ann gold 20      r, s: ann null
 * left   --p--m----q---n-----s|     m: bob lead null    n: ann gold null
 * ```
 *
 * The result is a table with the left one's keys. `foreignKeyOf` says where a left row points, null or undefined: nowhere (`inner`: counted as
 * dropped). A change of a left row gives a result where the right row exists, with the later of both timestamps; a row that ceases to be one gives a
 * null, which deletes (`inner`: with the later timestamp too, and only if it pointed somewhere); so does, in an `inner` join, a foreign key that has
 * changed to one without a row, whether or not there was a result before. A change of a right row gives one for each left row that points to it, in the order of the left keys, with the change's timestamp. `left`: every change of
 * a left row gives a result, with null where there is no right one. Changes that come out of order in a versioned table are counted as dropped.
 *
 * In an app both tables may have any number of partitions and any key serdes: a left row's task tells the right row's task of it through an internal
 * topic, and is answered through another. An answer to a state of the left row that is no longer its present one is thrown away. So
 * results come a little later than the changes behind them, each in time. Outside an app both ways are synchronous. State: for each left row its
 * foreign key, for each right key the left rows that point to it, and the results; freed as rows are deleted. Completes when both tables
 * have. Kafka Streams' foreign-key `join` and `leftJoin` of KTables (KIP-213), with versions where that compares hashes.
 *
 * @throws TidemarkError `BAD_OPTION`; at planning `NAME_TAKEN`, `LOST_WINDOW`; `NOT_SERIALISABLE` for what the serde can't write
 */
export function foreignKeyJoin<K extends Key, LV, RK extends Key, RV, Out, Kind extends 'inner' | 'left' = 'inner'>(
  right: Table<RK, RV>,
  foreignKeyOf: (value: LV, key: K) => RK | null | undefined,
  joiner: (left: NoInfer<LV>, right: Kind extends 'left' ? NoInfer<RV> | null : NoInfer<RV>) => Out,
  options: ForeignKeyJoinOptions<NoInfer<RV>, Kind>,
): TableOperator<Table<K, LV>, Table<K, NonNullable<Out>>> {
  const { name, value = json() } = options
  checkSerde(value, 'foreignKeyJoin: value')
  const isLeft = options.kind === 'left'
  return (left) => {
    const shared = { windowing: 'refuses', usesTime: true } as const
    const needs = () => ({ rows: true, previous: true })
    const turns = define<Change<Key, LV>, Turn<LV>>(
      'foreignKeys',
      [left.changes()],
      (context) => foreignKeys(context, foreignKeyOf as never, isLeft),
      { ...shared, name: `${name}-foreign-keys`, needs },
    )
    const subscriptions = exchange<Turn<LV>, Subscription>('subscribe', turns, (_, send) => subscribing(isLeft, send), {
      name: `${name}-subscriptions`,
      value: subscriptionSerde,
    })
    const told = define<StreamRecord<Key, Subscription> | Change<Key, RV>, StreamRecord<Key, Answer<RV>>>(
      'subscribers',
      [subscriptions, right.changes()],
      (context) => subscribers(context, context.published<Rows<RV>>(rowsDefinition(right as AnyTable))),
      {
        ...shared,
        name: `${name}-subscribers`,
        untimed: [1],
        coPartitioned: true,
        needs,
      },
    )
    const answers = exchange<StreamRecord<Key, Answer<RV>>, Answer<RV>>('answer', told, (_, send) => send, {
      name: `${name}-answers`,
      value: answerSerde<RV>(value),
    })
    const changes = define<Turn<LV> | StreamRecord<Key, Answer<RV>>, Change<Key, Out>>(
      'foreignKeyJoin',
      [turns, answers],
      (context) =>
        joining(context, {
          versions: context.published<Versions>(definitionOf(turns) as Definition),
          rows: context.published<Rows<LV>>(rowsDefinition(left as AnyTable)),
          joiner: joiner as Joiner<LV, RV, Out>,
          isLeft,
        }),
      { ...shared, ...versionOf('foreignKeyJoin', options), name, coPartitioned: true, role: { is: 'table' } },
    )
    return makeTable(name, definitionOf(changes) as Definition, changes as Observable<Change<never, never>>) as never
  }
}

type Joiner<LV, RV, Out> = (left: LV, right: RV | null) => Out

/** Whom a change of a left row concerns: the right key that it no longer points to, and the one that it does. */
const subscribing =
  <LV>(isLeft: boolean, send: (message: StreamRecord<Key, Subscription>) => void) =>
  ({ key: left, timestamp, value, from, to, version }: Turn<LV>) => {
    const hasMoved = from !== null && (to === null || keyIdentity(from) !== keyIdentity(to))
    if (hasMoved) {
      const wants = to === null && !isLeft ? 'leave' : 'end'
      send(record(from, { left, version: value === null ? -version : version, wants }, timestamp))
    }
    // What was joined with another row has to hear that there is none.
    if (to !== null) send(record(to, { left, version, wants: isLeft || hasMoved ? 'must' : 'ask' }, timestamp))
  }

interface JoinParts<LV, RV, Out> {
  readonly versions: Versions
  readonly rows: Rows<LV>
  readonly joiner: Joiner<LV, RV, Out>
  readonly isLeft: boolean
}

/** In the left row's task: puts results together when answers come, and at once where there is nobody to ask. */
function joining<LV, RV, Out>(
  context: OperatorContext<Change<Key, Out>>,
  { versions, rows, joiner, isLeft }: JoinParts<LV, RV, Out>,
): Handlers<Turn<LV> | StreamRecord<Key, Answer<RV>>> {
  const results = new KeptRows<Out>(context.cells())
  context.publish(results)

  function put(key: Key, result: Out | null, timestamp: number): void {
    const value = result ?? null
    const previous = results.put(key, undefined, value, timestamp)
    context.emit({ key, value, previous, timestamp, window: undefined, isLatest: true })
  }

  function turn({ key, value, existed, from, to, timestamp }: Turn<LV>): void {
    // What was to end the result belonged to an earlier version.
    if (!isLeft && from === null && to === null && results.get(key) !== undefined) put(key, null, timestamp)
    else if (value !== null && to === null && isLeft) put(key, joiner(value, null), timestamp)
    else if (value === null && existed && isLeft) put(key, null, timestamp)
  }

  function answer({ key, value: { version, row, isQuiet }, timestamp }: StreamRecord<Key, Answer<RV>>): void {
    if (version < 0) {
      if (versions(key) === undefined) put(key, null, timestamp)
      return
    }
    if (isQuiet && results.get(key) === undefined) return
    const left = versions(key) === version ? rows.get(key) : undefined
    if (left !== undefined) put(key, row === null && !isLeft ? null : joiner(left.value, row), timestamp)
  }

  return {
    record(message, input) {
      context.accept(message.timestamp)
      if (input === 0) turn(message as Turn<LV>)
      else answer(message as StreamRecord<Key, Answer<RV>>)
    },
  }
}
