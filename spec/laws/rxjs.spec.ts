import { describe, expect, test } from '@jest/globals'
import type { Observable } from 'rxjs'
import * as rx from 'rxjs'
import { aggregate, count, json, mapValues, type StreamRecord } from 'tidemark'
import { testApp } from 'tidemark/testing'
import { until } from '../until.js'
import { read } from './sources.js'

type Orders = Observable<StreamRecord<string, number>>

/** What docs/rxjs.md says about operators between ours, tried out: the code of the error, or nothing. */
const CASES: Record<string, [between: (orders: Orders, others: Orders) => Observable<any>, codes: string[]]> = {
  filter: [(orders) => orders.pipe(rx.filter(({ value }) => value > 0)), []],
  map: [(orders) => orders.pipe(rx.map((order) => ({ ...order, value: order.value * 2 }))), []],
  tap: [(orders) => orders.pipe(rx.tap(() => {})), []],
  merge: [(orders, others) => rx.merge(orders, others), []],
  mergeWith: [(orders, others) => orders.pipe(rx.mergeWith(others)), []],
  partition: [(orders) => rx.merge(...rx.partition(orders, ({ value }) => value > 0)), []],
  'mergeMap to an array': [(orders) => orders.pipe(rx.mergeMap((order) => [order, order])), []],
  'concatMap to of': [(orders) => orders.pipe(rx.concatMap((order) => rx.of(order))), []],
  'mergeMap to a promise': [(orders) => orders.pipe(rx.mergeMap(async (order) => order)), ['ASYNC_GAP']],
  'switchMap to a stream of ours': [(orders, others) => orders.pipe(rx.switchMap(() => others)), ['NOT_PLANNED']],
  'exhaustMap to a stream of ours': [(orders, others) => orders.pipe(rx.exhaustMap(() => others)), ['NOT_PLANNED']],
  concat: [(orders, others) => rx.concat(orders, others), ['NOT_PLANNED']],
  concatWith: [(orders, others) => orders.pipe(rx.concatWith(others)), ['NOT_PLANNED']],
  delay: [(orders) => orders.pipe(rx.delay(1)), ['ASYNC_GAP']],
  debounceTime: [(orders) => orders.pipe(rx.debounceTime(1)), ['ASYNC_GAP']],
  auditTime: [(orders) => orders.pipe(rx.auditTime(1)), ['ASYNC_GAP']],
  observeOn: [(orders) => orders.pipe(rx.observeOn(rx.asyncScheduler)), ['ASYNC_GAP']],
  subscribeOn: [(orders) => orders.pipe(rx.subscribeOn(rx.asyncScheduler)), ['NOT_PLANNED']],
  bufferTime: [
    (orders) =>
      orders.pipe(
        rx.bufferTime(1),
        rx.filter(({ length }) => length > 0),
        rx.map(([first]) => first),
      ),
    ['ASYNC_GAP'],
  ],
  share: [(orders) => orders.pipe(rx.share()), ['FOREIGN_TASK']],
  shareReplay: [(orders) => orders.pipe(rx.shareReplay(1)), ['FOREIGN_TASK']],
  retry: [(orders) => failing(orders).pipe(rx.retry(1)), ['DETACHED', 'NOT_PLANNED']],
  repeat: [(orders) => orders.pipe(rx.take(1), rx.repeat(2)), ['DETACHED', 'NOT_PLANNED']],
  catchError: [(orders) => failing(orders).pipe(rx.catchError(() => rx.EMPTY)), ['DETACHED', 'NOT_PLANNED']],
  take: [(orders) => orders.pipe(rx.take(1)), ['DETACHED', 'PIPELINE_COMPLETED']],
  takeWhile: [(orders) => orders.pipe(rx.takeWhile(() => false)), ['DETACHED', 'PIPELINE_COMPLETED']],
}

const failing = (orders: Orders) =>
  orders.pipe(
    rx.tap(() => {
      throw new Error('a plain operator fails')
    }),
  )

describe('an RxJS operator between ours', () => {
  test.each(Object.entries(CASES))('%s', async (_name, [between, codes]) => {
    const found = await codesOf(between, codes.length > 0)
    if (codes.length === 0) expect(found).toEqual([])
    else {
      expect(found).toHaveLength(1)
      expect(codes).toContain(found[0])
    }
  })

  test('is in the table of docs/rxjs.md with that answer', () => {
    const rows = read('docs/rxjs.md')
      .split('\n')
      .filter((line) => line.startsWith('| `'))
    const wrong = Object.entries(CASES).filter(([name, [, codes]]) => {
      const row = rows.find(
        (line) => line.includes(`\`${name.split(' ')[0]}\``) && codes.every((code) => line.includes(code)),
      )
      return row === undefined
    })
    expect(wrong.map(([name]) => name)).toEqual([])
  })
})

async function codesOf(
  between: (orders: Orders, others: Orders) => Observable<any>,
  fails: boolean,
): Promise<string[]> {
  try {
    const t = await testApp(
      (app) => {
        const orders = app.stream<number>('orders', { value: json() }).pipe(mapValues((value) => value))
        // A stream that no pipeline reads is an error of its own.
        const needsOthers = between.length === 2
        const others = needsOthers
          ? app.stream<number>('others', { value: json() }).pipe(mapValues((value) => value))
          : orders
        const counted: Orders = between(orders, others)
        app.run('count', counted.pipe(aggregate(count(), { name: 'count' })))
      },
      { topics: { orders: 2, others: 2 } },
    )
    for (const key of ['a', 'b', 'c', 'd']) {
      await t.send('orders', { key, value: 1 })
      await t.send('others', { key, value: 1 })
    }
    // What rejects it is among the errors.
    await t.settle().catch(() => {})
    // Schedulers of RxJS go by the wall clock.
    if (fails) await until('an error', () => t.errors.length > 0)
    const codes = t.errors.map(({ code }) => code)
    await t.stop().catch(() => {})
    return [...new Set(codes)]
  } catch (error) {
    return [(error as { code?: string }).code ?? String(error)]
  }
}
