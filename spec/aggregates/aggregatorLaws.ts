import { expect } from '@jest/globals'
import fc from 'fast-check'
import { type Aggregator, aggregate, json, record } from 'tidemark'
import { type MarbleValue, operatorLaws, runMarbles } from 'tidemark/testing'
import { expectDrawn } from '../testing/docstring.js'

type Ability = 'remove' | 'merge' | 'commutes'

export interface AggregatorCase<V, Out> {
  readonly make: () => Aggregator<any, Out, any>
  /** The values of its records. */
  readonly values: fc.Arbitrary<V>
  /** What it should be of a list of values, not empty, in order of arrival: by other means. */
  readonly of: (values: readonly V[]) => unknown
  /** All that it can do. */
  readonly can: readonly Ability[]
  /** What it is of none, after all has been taken back; null: the key is deleted. */
  readonly none?: unknown
  /** Compares what came with what `of` says. Default: they are equal. */
  readonly same?: (came: Out, expected: any) => void
}

/** What all aggregators keep to. */
export function aggregatorLaws<V, Out>(given: AggregatorCase<V, Out>): { name: string; run(): void | Promise<void> }[] {
  const { make, values, of, can, none, same = (came, expected) => expect(came).toEqual(expected) } = given
  const abilities = make()
  const lists = fc.array(values, { minLength: 1, maxLength: 20 })
  const check = (property: fc.IPropertyWithHooks<any> | fc.IProperty<any>, numRuns = 100) =>
    fc.assert(property as fc.IProperty<any>, { seed: 3, numRuns })
  const laws: Record<string, () => void | Promise<void>> = {
    'can do what is said, and nothing else'() {
      const found = (['remove', 'merge', 'commutes'] as const).filter((name) => Boolean(abilities[name]))
      expect(found).toEqual(can)
    },
    'is what recomputing gives, after each record'() {
      check(
        fc.property(lists, (list) => {
          const fold = new Fold(make())
          list.forEach((value, i) => {
            same(fold.add(value).result() as Out, of(list.slice(0, i + 1)))
          })
        }),
      )
    },
    'goes on unchanged with what JSON gives back of its accumulator, at any point'() {
      check(
        fc.property(lists, (list) => {
          const [live, stored] = [new Fold(make()), new Fold(make())]
          for (const value of list) {
            stored.acc = throughJson(stored.add(value).acc)
            expect(stored.acc).toEqual(live.add(value).acc)
            expect(stored.result()).toEqual(live.result())
          }
        }),
      )
    },
    "doesn't change what has come out"() {
      check(
        fc.property(lists, (list) => {
          const fold = new Fold(make())
          const results = list.map((value) => {
            const result = fold.add(value).result()
            return [result, throughJson(result)]
          })
          for (const [result, then] of results) expect(result).toEqual(then)
        }),
      )
    },
  }
  if (can.includes('remove')) {
    laws['takes records back in any order, without a trace'] = () => {
      check(
        fc.property(lists, fc.infiniteStream(fc.nat()), (list, picks) => {
          const fold = new Fold(make()).addAll(list)
          const left = [...list]
          while (left.length > 0) {
            const taken = left[picks.next().value % left.length] as V
            // Of several equal ones the first goes.
            left.splice(left.findIndex(isEqual(taken)), 1)
            // As a table does it: what is taken back is equal, not the same.
            fold.remove(throughJson(taken))
            if (left.length > 0) expect(fold.result()).toEqual(new Fold(make()).addAll(left).result())
            else expect(fold.acc === null ? null : fold.result()).toEqual(none)
          }
        }),
      )
    }
    laws['is the same after a record has come and gone'] = () => {
      check(
        fc.property(lists, values, (list, other) => {
          const fold = new Fold(make()).addAll(list)
          const before = fold.result()
          // Where an equal one is there, the first of the two goes, and the other stays in its place.
          if (list.some(isEqual(other))) return
          expect(fold.add(other).remove(other).result()).toEqual(before)
        }),
      )
    }
  }
  if (can.includes('merge')) {
    laws['merges: two parts are the whole'] = () => {
      check(
        fc.property(lists, lists, lists, (one, two, three) => {
          const whole = new Fold(make()).addAll([...one, ...two, ...three]).result()
          const merged = () => new Fold(make()).addAll(one).merge(new Fold(make()).addAll(two))
          const last = () => new Fold(make()).addAll(three)
          expect(merged().merge(last()).result()).toEqual(whole)
          expect(merged().addAll(three).result()).toEqual(whole)
          const right = new Fold(make()).addAll(two).merge(last())
          expect(new Fold(make()).addAll(one).merge(right).result()).toEqual(whole)
          expect(merged().throughJson().merge(last().throughJson()).result()).toEqual(whole)
        }),
      )
    }
    if (abilities.init !== undefined) {
      laws['merges: nothing on one side gives the other'] = () => {
        check(
          fc.property(lists, (list) => {
            const alone = new Fold(make()).addAll(list).result()
            expect(new Fold(make()).merge(new Fold(make()).addAll(list)).result()).toEqual(alone)
            expect(new Fold(make()).addAll(list).merge(new Fold(make())).result()).toEqual(alone)
          }),
        )
      }
    }
  }
  if (can.includes('commutes')) {
    laws['comes to the same in any order'] = () => {
      check(
        fc.property(
          lists.chain((list) =>
            fc.tuple(fc.constant(list), fc.shuffledSubarray(list, { minLength: list.length, maxLength: list.length })),
          ),
          ([list, shuffled]) => {
            const expected = new Fold(make()).addAll(list).result()
            expect(new Fold(make()).addAll(shuffled).result()).toEqual(expected)
          },
        ),
      )
    }
  }
  const sample = fc.sample(values, { seed: 5, numRuns: 6 })
  const input = sample.map((value, i) => record(['ann', 'bob'][i % 2] as string, value, i))
  return [
    ...Object.entries(laws).map(([name, run]) => ({ name, run })),
    ...operatorLaws(() => aggregate(make()), input),
  ]
}

/** An accumulator and its aggregator, as an aggregate holds it. */
export class Fold<Out> {
  private isEmpty = true
  acc: any

  constructor(private readonly aggregator: Aggregator<any, Out, any>) {
    this.acc = aggregator.init?.()
  }

  add(value: unknown): this {
    const isStart = this.isEmpty && this.aggregator.init === undefined
    this.acc = isStart ? value : this.aggregator.add(this.acc, recordOf(value))
    this.isEmpty = false
    return this
  }

  addAll(values: readonly unknown[]): this {
    for (const value of values) this.add(value)
    return this
  }

  remove(value: unknown): this {
    this.acc = this.aggregator.remove?.(this.acc, recordOf(value))
    return this
  }

  merge(later: Fold<Out>): this {
    this.acc = this.aggregator.merge?.(this.acc, later.acc, 'ann')
    this.isEmpty = this.isEmpty && later.isEmpty
    return this
  }

  throughJson(): this {
    this.acc = throughJson(this.acc)
    return this
  }

  result(): Out {
    return this.aggregator.result === undefined ? this.acc : this.aggregator.result(this.acc)
  }
}

const isEqual = (value: unknown) => (other: unknown) => JSON.stringify(other) === JSON.stringify(value)

const recordOf = (value: unknown) => record('ann', value, 0)

/** What a checkpoint gives back; throws where one would. */
export const throughJson = <T>(value: T): T => json<T>().deserialize(json<T>().serialize(value))

export interface Drawing {
  /** As it is written in the docstring. */
  readonly call: string
  readonly source: string
  readonly out: string
  readonly make: () => Aggregator<any, unknown, any>
  /** What letters stand for; digits stand for themselves. */
  readonly values?: { readonly [symbol: string]: unknown }
  /** What is compared of a result; default: all. */
  readonly shown?: (result: any) => unknown
}

/** Runs the diagram in an aggregator's docstring. */
export async function expectDiagram(name: string, drawing: Drawing): Promise<void> {
  const { call, source, out, make, values = {}, shown } = drawing
  const width = call.length
  expectDrawn(`aggregates/${name}.ts`, `${'in'.padEnd(width)}  ${source}`, `${call}  ${out}`)
  const symbols: Record<string, MarbleValue> = {}
  for (const digit of '0123456789') symbols[digit] = { key: 'ann', value: Number(digit) }
  for (const letter of `${source}${out}`.match(/[a-z]/g) ?? [])
    symbols[letter] = { key: 'ann', value: letter in values ? values[letter] : letter }
  const aggregator = make()
  const drawn =
    shown === undefined
      ? aggregator
      : {
          ...aggregator,
          result: (acc: unknown) => shown(aggregator.result === undefined ? acc : aggregator.result(acc)),
        }
  await runMarbles({ source, out, values: symbols, pipeline: (s) => s.pipe(aggregate(drawn)) })
}
