import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { from, merge, Subject } from 'rxjs'
import {
  json,
  local,
  mapValues,
  process,
  record,
  type StreamRecord,
  sideOutput,
  toTopic,
  withWatermark,
} from 'tidemark'
import { matchers, operatorLaws, runMarbles, testApp } from 'tidemark/testing'
import { expectDrawn } from '../testing/docstring.js'

expect.extend(matchers)

type Click = StreamRecord<string, any>

/** The example of the docstring, with 10 ms for ten minutes. */
const gone = () =>
  process<Click, StreamRecord<string, 'gone'>>(
    ({ value, timers, emit }) => {
      const last = value<number>()
      return {
        record(click) {
          last.put(click.timestamp)
          timers.at(click.timestamp + 10, click.key)
        },
        timer(timestamp, key) {
          if (last.get() === timestamp - 10) emit(record(key, 'gone', timestamp))
        },
      }
    },
    { name: 'gone' },
  )

/** The same by the wall clock. */
const goneByTheClock = () =>
  process<Click, StreamRecord<string, 'gone'>>(({ value, wallTimers, wallTime, emit }) => {
    const last = value<number>()
    return {
      record(click) {
        last.put(wallTime())
        wallTimers.at(wallTime() + 10, click.key)
      },
      wallTimer(timestamp, key) {
        if (last.get() === timestamp - 10) emit(record(key, 'gone', timestamp))
      },
    }
  })

describe('its diagram: who has not been heard of for 10 ms', () => {
  const source = 'a---b-a----------b-a-|'
  const x = { key: 'ann', value: 'gone', timestamp: 16 }
  test.each([
    {
      name: 'timers',
      out: '-----------------x---(zw|)',
      operator: gone,
      values: {
        x,
        z: { key: 'bob', value: 'gone', timestamp: 27 },
        w: { key: 'ann', value: 'gone', timestamp: 29 },
      },
    },
    {
      name: 'wallTimers',
      out: '--------------y-x----|',
      operator: goneByTheClock,
      values: { x, y: { key: 'bob', value: 'gone', timestamp: 14 } },
    },
  ])('$name', async ({ name, out, operator, values }) => {
    expectDrawn('operators/process.ts', `in          ${source}`, `${name.padEnd(11)} ${out}`)
    await runMarbles({
      source,
      out,
      values: { a: ['ann', 0], b: ['bob', 0], ...values } as any,
      pipeline: (s) => s.pipe(operator()),
    })
  })
})

describe('laws', () => {
  const times = [1, 4, 12, 9, 13, 21, 22, 35, 50]
  const input = times.map((time, i) => record(['ann', 'bob'][i % 2] as string, i, time))
  for (const law of operatorLaws(gone, input)) test(law.name, law.run)
})

/** Sets the timers that a record's value lists, and tells when each fires and at what time. */
const alarms = () =>
  process<Click, any>(({ timers, emit, time }) => ({
    record: (r) => {
      for (const at of r.value) timers.at(at, r.key)
    },
    timer: (timestamp, key) => emit(record(key, { timestamp, now: time() }, timestamp)),
  }))

describe('edges', () => {
  const fired = (given: readonly (readonly [string, readonly number[], number])[], bound?: number) => {
    const seen: string[] = []
    const source = from(given.map(([key, value, time]) => record(key, value, time)))
    const timed = bound === undefined ? source : source.pipe(withWatermark({ maxOutOfOrderness: bound }))
    timed.pipe(alarms()).subscribe((r) => seen.push(`${r.key} ${r.value.timestamp} at ${r.value.now}`))
    return seen
  }

  test('timers fire by timestamp, then key, each once however often it was set', () => {
    expect(
      fired([
        ['b', [7, 5, 7], 1],
        ['a', [7, 6], 1],
        ['c', [], 8],
      ]),
    ).toEqual(['b 5 at 8', 'a 6 at 8', 'a 7 at 8', 'b 7 at 8'])
  })

  test('one that is due already fires in the same visit', () => {
    expect(fired([['a', [3], 5]])).toEqual(['a 3 at 5'])
  })

  test('with a watermark, they follow it', () => {
    expect(
      fired(
        [
          ['a', [10], 5],
          ['a', [], 12],
          ['a', [], 13],
        ],
        3,
      ),
    ).toEqual(['a 10 at 10'])
  })

  test('all fire on completion', () => {
    expect(fired([['a', [100], 5]])).toEqual(['a 100 at Infinity'])
  })

  test('cancelled timers do not fire', () => {
    const seen: unknown[] = []
    from([record('a', 'set', 1), record('a', 'cancel', 2), record('a', '', 100)])
      .pipe(
        process<Click, unknown>(({ timers, emit }) => ({
          record: (r) => {
            if (r.value === 'set') timers.at(50, r.key)
            if (r.value === 'cancel') timers.cancel(50, r.key)
          },
          timer: emit,
        })),
      )
      .subscribe((r) => seen.push(r))
    expect(seen).toEqual([])
  })

  test('a timer behind a cancelled one waits for its own time', () => {
    const early: unknown[] = []
    const running = new Subject<Click>()
    running
      .pipe(
        process<Click, unknown>(({ timers, emit }) => ({
          record(r) {
            for (const at of r.value) timers.at(at, r.key)
            if (r.value.length === 0) timers.cancel(50, r.key)
          },
          timer: emit,
        })),
      )
      .subscribe((r) => early.push(r))
    running.next(record('a', [50, 200], 1))
    running.next(record('a', [], 49))
    running.next(record('b', [], 100))
    expect(early).toEqual([])
  })

  test('timers come back after a restart, also where only `record` asks for them', async () => {
    const t = await testApp(
      (app) => {
        const stream = app.stream<number>('in', { value: json() })
        const alarm = process<StreamRecord<string, number>, StreamRecord<string, string>>(
          (context) => ({
            record: (r) => {
              if (r.value === 1) context.timers.at(r.timestamp + 10, r.key)
            },
            timer: (timestamp, key) => context.emit(record(key, 'due', timestamp)),
          }),
          { name: 'alarm' },
        )
        app.run('out', stream.pipe(alarm, toTopic('out')))
      },
      { topics: { in: 1, out: 1 } },
    )
    await t.send('in', { key: 'k', value: 1, timestamp: 5 })
    await t.settle()
    await t.crash()
    await t.restart()
    await t.send('in', { key: 'other', value: 0, timestamp: 100 })
    await t.settle()
    expect(t.errors).toEqual([])
    expect(await t.records('out')).toEqualRecords([{ key: 'k', value: 'due', timestamp: 15 }])
    // One that is due already fires in the same visit, after a restart too.
    await t.crash()
    await t.restart()
    await t.send('in', { key: 'late', value: 1, timestamp: 60 })
    await t.settle()
    expect((await t.records('out')).slice(1)).toEqualRecords([{ key: 'late', value: 'due', timestamp: 70 }])
    await t.stop()
  })

  test('state that is first asked for after setup is BAD_STATE: nothing would restore it', () => {
    const errorOf = (setup: Parameters<typeof process<Click, unknown>>[0]) => {
      let found: unknown
      from([record('a', 1, 5, { topic: 't', offset: 2 })])
        .pipe(process(setup, { name: 'mine' }))
        .subscribe({ error: (error) => (found = error) })
      return found
    }
    const refused = (what: string) => ({
      code: 'BAD_STATE',
      message: expect.stringContaining(`${what} was first asked for after setup`),
      place: { operator: 'mine', topic: 't', offset: 2 },
    })
    expect(errorOf((context) => ({ record: () => void context.keyed() }))).toMatchObject(refused('keyed()'))
    expect(errorOf((context) => ({ record: () => void context.keyed('n') }))).toMatchObject(refused("keyed('n')"))
    expect(errorOf((context) => ({ record: (r) => context.timers.at(9, r.key) }))).toMatchObject(refused('timers'))
  })

  test('what throws comes out with the place, of a timer too', () => {
    const boom = () => {
      throw new RangeError('boom')
    }
    const errorOf = (setup: Parameters<typeof process<Click, unknown>>[0]) => {
      const errors: unknown[] = []
      from([record('a', 1, 5, { topic: 't', offset: 2 })])
        .pipe(process(setup, { name: 'mine' }))
        .subscribe({ error: (error) => errors.push(error) })
      return errors
    }
    const place = { operator: 'mine' }
    expect(errorOf(() => ({ record: boom }))).toMatchObject([
      { code: 'OPERATOR_FAILED', place: { ...place, topic: 't', offset: 2, key: 'a' } },
    ])
    expect(errorOf(({ timers }) => ({ record: (r) => timers.at(1, r.key), timer: boom }))).toMatchObject([
      { code: 'OPERATOR_FAILED', place },
    ])
  })

  test('a watermark declared after it is TWO_WATERMARKS', () => {
    let error: unknown
    from([record('a', [], 1)])
      .pipe(alarms(), withWatermark({ maxOutOfOrderness: 5 }), mapValues(String))
      .subscribe({ error: (e) => (error = e) })
    expect(error).toMatchObject({ code: 'TWO_WATERMARKS' })
  })

  test('several states by name, side outputs, and drops under a reason of its own', async () => {
    const odd = sideOutput<Click>('odd')
    const t = await testApp(
      (app) => {
        const stream = app.stream<number>('in', { value: json() })
        const split = process<any, Click>(
          ({ emit, emitTo, drop, keyed }) => {
            const [seen, total] = [keyed<string, number>('seen'), keyed<string, number>('total')]
            return {
              record(r) {
                if (r.value < 0) return drop(r, 'negative')
                seen.put(r.key, (seen.get(r.key) ?? 0) + 1)
                total.put(r.key, (total.get(r.key) ?? 0) + r.value)
                if (r.value % 2 === 1) emitTo(odd, r)
                else emit(r)
              },
            }
          },
          { name: 'split', sideOutputs: [odd] },
        )
        app.run('even', stream.pipe(split, toTopic('even')))
        app.run('odd', odd.pipe(toTopic('odd')))
      },
      { topics: { in: 1, even: 1, odd: 1 } },
    )
    await t.send(
      'in',
      [1, 2, -3, 4].map((value) => ({ key: 'k', value, timestamp: 1 })),
    )
    await t.settle()
    expect(await t.records('even')).toEqualRecords([{ value: 2 }, { value: 4 }])
    expect(await t.records('odd')).toEqualRecords([{ value: 1 }])
    expect(await t.state('split.seen')).toMatchObject([{ key: 'k', value: 3 }])
    expect(await t.state('split.total')).toMatchObject([{ key: 'k', value: 7 }])
    expect(t.app.stats().tasks[0]?.dropped).toEqual([{ operator: 'split', reason: 'negative', count: 1 }])
    await t.stop()
  })
})

test('keyed state: size, entries in order of insertion, delete', () => {
  const seen: unknown[] = []
  local(
    merge(from(['b', 'a', 'b', 'c'].map((key, i) => record(key, i, i)))).pipe(
      process<Click, unknown>(({ keyed }) => {
        const state = keyed<string, number>()
        return {
          record(r) {
            if (r.key === 'c') state.delete('b')
            else state.put(r.key, r.value)
            seen.push([state.size, ...state.entries()])
          },
        }
      }),
    ),
  ).subscribe()
  expect(seen).toEqual([
    [1, ['b', 0]],
    [2, ['b', 0], ['a', 1]],
    [2, ['b', 2], ['a', 1]],
    [1, ['a', 1]],
  ])
})

describe('value: the state of the present key', () => {
  /** Counts by key, and tells the count of the timer's key when a timer fires. */
  const counting = () =>
    process<StreamRecord<string | null, number[]>, StreamRecord<string, number>>(
      ({ value, timers, emit }) => {
        const seen = value<number>('seen')
        return {
          record(r) {
            if (r.value.length === 0) seen.delete()
            else seen.put((seen.get() ?? 0) + 1)
            for (const at of r.value) timers.at(at, r.key as string)
          },
          timer: (timestamp, key) => emit(record(key, seen.get() ?? 0, timestamp)),
        }
      },
      { name: 'counting' },
    )

  test('is that of the record, or of the timer', async () => {
    await runMarbles({
      source: 'a-a-b-d-------b@50-',
      out: '   --------------(pqr)',
      values: {
        a: ['ann', [20]],
        b: ['bob', [30]],
        d: ['dan', [40]],
        p: { key: 'ann', value: 2, timestamp: 20 },
        q: { key: 'bob', value: 2, timestamp: 30 },
        r: { key: 'dan', value: 1, timestamp: 40 },
      },
      pipeline: (s) => s.pipe(counting()),
    })
  })

  test('is deleted for that key alone', async () => {
    await runMarbles({
      source: '(abc@40)',
      out: '   (pq)',
      values: {
        a: ['ann', [20]],
        b: ['bob', [20]],
        c: ['ann', []],
        p: { key: 'ann', value: 0 },
        q: { key: 'bob', value: 1 },
      },
      pipeline: (s) => s.pipe(counting()),
    })
  })

  test('is keyed state under its part, and comes back after a restart', async () => {
    const t = await testApp(
      (app) => {
        const stream = app.stream<number[]>('in', { value: json() })
        app.run('out', stream.pipe(counting(), toTopic('out')))
      },
      { topics: { in: 1, out: 1 } },
    )
    await t.send('in', [
      { key: 'ann', value: [20], timestamp: 1 },
      { key: 'bob', value: [30], timestamp: 2 },
    ])
    await t.settle()
    expect(await t.state('counting.seen')).toMatchObject([
      { key: 'ann', value: 1 },
      { key: 'bob', value: 1 },
    ])
    await t.crash()
    await t.restart()
    await t.send('in', { key: 'ann', value: [], timestamp: 50 })
    await t.settle()
    expect(await t.records('out')).toEqualRecords([
      { key: 'ann', value: 0 },
      { key: 'bob', value: 1 },
    ])
    expect(await t.state('counting.seen')).toMatchObject([{ key: 'bob', value: 1 }])
    await t.stop()
  })

  const errorOf = (key: string | null, setup: Parameters<typeof process<StreamRecord<any, any>, unknown>>[0]) => {
    let found: unknown
    from([record(key, 1, 5, { topic: 't', offset: 2 })])
      .pipe(process(setup, { name: 'mine' }))
      .subscribe({ error: (error) => (found = error) })
    return found
  }

  test('of a record without a key is BAD_KEY', () => {
    const error = errorOf(null, ({ value }) => {
      const one = value<number>()
      return { record: () => one.put(1) }
    })
    expect(error).toMatchObject({ code: 'BAD_KEY', place: { operator: 'mine', topic: 't', offset: 2 } })
  })

  test('where no key is present is BAD_STATE, also once a record has been handled', async () => {
    let later: (() => void) | undefined
    const inSetup = errorOf('a', ({ value }) => {
      value<number>().get()
      return { record() {} }
    })
    expect(inSetup).toMatchObject({ code: 'BAD_STATE', message: expect.stringContaining('no key is present') })
    errorOf('a', ({ value }) => {
      const one = value<number>()
      return {
        record() {
          later = () => one.put(1)
        },
      }
    })
    expect(later).toThrow(expect.objectContaining({ code: 'BAD_STATE' }))
    later = undefined
    errorOf('a', ({ value, timers }) => {
      const one = value<number>()
      return {
        record: (r) => timers.at(1, r.key),
        timer() {
          later = () => one.put(1)
        },
      }
    })
    expect(later).toThrow(expect.objectContaining({ code: 'BAD_STATE' }))
  })

  test('that is first asked for after setup is BAD_STATE', () => {
    expect(errorOf('a', (context) => ({ record: () => void context.value('n') }))).toMatchObject({
      code: 'BAD_STATE',
      message: expect.stringContaining("value('n') was first asked for after setup"),
    })
  })
})

describe('close', () => {
  const closing = (closed: () => void) => process<Click, Click>(({ emit }) => ({ record: emit, close: closed }))

  test('is called once: on unsubscribing, completion and error', () => {
    const calls: string[] = []
    const [running, failing] = [new Subject<Click>(), new Subject<Click>()]
    const subscription = running.pipe(closing(() => calls.push('unsubscribed'))).subscribe()
    running.next(record('a', 1, 1))
    expect(calls).toEqual([])
    subscription.unsubscribe()
    from([record('a', 1, 1)])
      .pipe(closing(() => calls.push('completed')))
      .subscribe()
    failing.pipe(closing(() => calls.push('errored'))).subscribe({ error: () => {} })
    failing.error(new Error())
    expect(calls).toEqual(['unsubscribed', 'completed', 'errored'])
  })

  test('and when the app stops', async () => {
    let closed = 0
    const t = await testApp(
      (app) => {
        const stream = app.stream<number>('in', { value: json() })
        app.run('out', stream.pipe(closing(() => closed++)))
      },
      { topics: { in: 2 } },
    )
    // The planner's own have been closed by now.
    const planned = closed
    await t.stop()
    expect(closed - planned).toBe(2)
  })
})

describe('against recomputing: who has not been heard of for 10 ms', () => {
  const given = fc.array(fc.record({ key: fc.constantFrom('a', 'b', 'c'), time: fc.nat(60) }), { maxLength: 25 })

  test.each([undefined, 4])('watermark %s', (bound) => {
    fc.assert(
      fc.property(given, (all) => {
        const end = all.length
        const timeAt = (step: number) =>
          step === end
            ? Number.POSITIVE_INFINITY
            : Math.max(...all.slice(0, step + 1).map(({ time }) => time)) - (bound ?? 0)
        /** Each timer fires in the first step from that of its record on in which time has come so far; several of one place are one. */
        const fired = new Map<string, { step: number; key: string; timestamp: number }>()
        for (const [index, { key, time }] of all.entries()) {
          const timestamp = time + 10
          let step = index
          while (timeAt(step) < timestamp) step++
          fired.set([step, key, timestamp].join(), { step, key, timestamp })
        }
        const isGone = ({ step, key, timestamp }: { step: number; key: string; timestamp: number }) =>
          all.slice(0, step + 1).findLast((one) => one.key === key)?.time === timestamp - 10
        const expected = [...Array(end + 1).keys()].map((step) =>
          [...fired.values()]
            .filter((one) => one.step === step && isGone(one))
            .sort((a, b) => a.timestamp - b.timestamp || (a.key < b.key ? -1 : 1))
            .map(({ key, timestamp }) => [key, timestamp]),
        )

        const source = new Subject<Click>()
        const steps: unknown[][] = []
        const timed = bound === undefined ? source : source.pipe(withWatermark({ maxOutOfOrderness: bound }))
        timed.pipe(gone()).subscribe(({ key, timestamp }) => steps.at(-1)?.push([key, timestamp]))
        for (const [index, { key, time }] of all.entries()) {
          steps.push([])
          source.next(record(key, index, time))
        }
        steps.push([])
        source.complete()
        expect(steps).toEqual(expected)
      }),
      { seed: 67, numRuns: 200 },
    )
  })
})
