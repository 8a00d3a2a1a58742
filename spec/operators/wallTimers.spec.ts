import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { from, merge, Subject, take } from 'rxjs'
import { aggregate, count, json, local, process, record, type StreamRecord, toTopic } from 'tidemark'
import { matchers, operatorLaws, runMarbles, testApp, testClock } from 'tidemark/testing'
import { WallTimers } from '../../lib/operators/wallTimers.js'

expect.extend(matchers)

type Asked = StreamRecord<string, { at?: number[]; cancel?: number[]; chain?: number }>

/** Sets and cancels the wall timers that a record's value lists, lets the record through, and tells when each timer fires. */
const alarms = () =>
  process<Asked, StreamRecord<string, any>>(
    ({ wallTimers, emit, wallTime }) => ({
      record(r) {
        for (const at of r.value.at ?? []) wallTimers.at(at, r.key)
        for (const at of r.value.cancel ?? []) wallTimers.cancel(at, r.key)
        emit(record(r.key, 'set', r.timestamp))
      },
      wallTimer: (timestamp, key) => emit(record(key, `${timestamp} at ${wallTime()}`, 0)),
    }),
    { name: 'alarms' },
  )

describe('laws', () => {
  // In the past, so that they fire without any time passing; each tells of itself alone, as records may come in one go or one by one.
  const silent = () =>
    process<StreamRecord<string, number>, StreamRecord<string, number>>(
      ({ wallTimers, emit }) => ({
        record: (r) => wallTimers.at(r.timestamp - 1_000, r.key),
        wallTimer: (timestamp, key) => emit(record(key, timestamp, timestamp + 1_000)),
      }),
      { name: 'silent' },
    )
  const input = [1, 2, 5, 6, 9, 11].map((time, i) => record(['ann', 'bob'][i % 2] as string, i, time))
  for (const law of operatorLaws(silent, input, { isAsync: true })) test(law.name, law.run)
})

describe('edges', () => {
  const a = { key: 'ann', value: 'set' }
  const b = { key: 'bob', value: 'set' }
  const at = (key: string, time: number, now = time) => ({ key, value: `${time} at ${now}` })

  test.each<{ name: string; asked: object; source: string; out: string; values?: object }>([
    {
      name: 'by timestamp, then key, each once',
      asked: { x: ['bob', { at: [8, 5, 8] }], y: ['ann', { at: [8] }] },
      source: '-x-y----------|',
      out: '   -b-a-r--(pq)--|',
      values: { p: at('ann', 8), q: at('bob', 8), r: at('bob', 5) },
    },
    {
      name: 'one that has passed fires soon, behind the record that set it',
      asked: { x: ['ann', { at: [1, 3] }], y: ['bob', { at: [2] }] },
      source: '-----(xy)---|',
      out: '   -----(abpqr)|',
      values: { p: at('ann', 1, 5), q: at('bob', 2, 5), r: at('ann', 3, 5) },
    },
    {
      name: 'a cancelled one does not fire, and the next one comes at its own time',
      asked: { x: ['ann', { at: [4, 8] }], y: ['ann', { cancel: [4] }] },
      source: '-xy---------|',
      out: '   -aa-----p---|',
      values: { p: at('ann', 8) },
    },
    {
      name: 'nothing fires once all are cancelled',
      asked: { x: ['ann', { at: [4] }], y: ['ann', { cancel: [4] }] },
      source: '-xy---------|',
      out: '   -aa---------|',
    },
    {
      name: 'one that is earlier than all comes first',
      asked: { x: ['ann', { at: [9] }], y: ['bob', { at: [5] }] },
      source: '-x-y--------|',
      out: '   -a-b-p---q--|',
      values: { p: at('bob', 5), q: at('ann', 9) },
    },
    {
      name: 'completion waits for none of them, and they are gone',
      asked: { x: ['ann', { at: [6] }] },
      source: '-x--|--------',
      out: '   -a--|',
    },
    { name: 'nor does an error', asked: { x: ['ann', { at: [6] }] }, source: '-x--#--------', out: '-a--#' },
    {
      name: 'event time is not looked at',
      asked: { x: ['ann', { at: [20] }] },
      source: 'x@99-x@99---|',
      out: '   a----a------|',
    },
  ])('$name', async ({ asked, source, out, values }) => {
    await runMarbles({ source, out, values: { a, b, ...asked, ...values } as any, pipeline: (s) => s.pipe(alarms()) })
  })

  test('it asks the clock once for each time at which it fires, and lets go of it when unsubscribed', async () => {
    const clock = testClock()
    const asked: string[] = []
    const counted = {
      ...clock,
      soon(callback: () => void) {
        asked.push('soon')
        clock.soon(callback)
      },
      after(ms: number, callback: () => void) {
        asked.push(`at ${clock.now() + ms}`)
        const cancel = clock.after(ms, callback)
        return () => {
          asked.push('not any more')
          cancel()
        }
      },
    }
    const source = new Subject<Asked>()
    const seen: string[] = []
    const subscription = local(source.pipe(alarms()), { clock: counted }).subscribe((r) => seen.push(r.value))
    const since = async (at: number[], ms: number) => {
      asked.length = 0
      source.next(record('ann', { at }, 0))
      await clock.advance(ms)
      return asked
    }
    expect(await since([9, 20, 30], 0)).toEqual(['at 9'])
    expect(await since([5], 0)).toEqual(['not any more', 'at 5'])
    expect(await since([], 7)).toEqual(['at 9'])
    expect(await since([3, 2, 1], 0)).toEqual(['not any more', 'soon', 'at 9'])
    asked.length = 0
    for (const cancel of [[9], [30], [20]]) source.next(record('ann', { cancel }, 0))
    expect(asked).toEqual(['not any more', 'at 20', 'not any more'])
    expect(await since([40], 0)).toEqual(['at 40'])
    asked.length = 0
    subscription.unsubscribe()
    expect(asked).toEqual(['not any more'])
    seen.length = 0
    await clock.advance(50)
    expect(seen).toEqual([])
  })

  test('those that one after the other set the next ask the clock once for each', async () => {
    const clock = testClock()
    const asked: number[] = []
    const counted = {
      ...clock,
      after(ms: number, callback: () => void) {
        asked.push(clock.now() + ms)
        return clock.after(ms, callback)
      },
    }
    const source = new Subject<Asked>()
    local(
      source.pipe(
        process<Asked, Asked>(({ wallTimers }) => ({
          record: (r) => wallTimers.at(3, r.key),
          wallTimer: (timestamp, key) => wallTimers.at(timestamp + 3, key),
        })),
      ),
      { clock: counted },
    ).subscribe()
    source.next(record('ann', {}, 0))
    await clock.advance(11)
    expect(asked).toEqual([3, 6, 9, 12])
  })

  test('of several that are due none fires behind the one that ends the task', async () => {
    const clock = testClock(10)
    const source = new Subject<Asked>()
    const fired: number[] = []
    local(
      source.pipe(
        process<Asked, number>(({ wallTimers, emit }) => ({
          record(r) {
            for (const at of [1, 2, 3]) wallTimers.at(at, r.key)
          },
          wallTimer(timestamp) {
            fired.push(timestamp)
            emit(timestamp)
          },
        })),
      ),
      { clock },
    )
      .pipe(take(2))
      .subscribe()
    source.next(record('ann', {}, 0))
    await clock.settle()
    expect(fired).toEqual([1, 2])
  })

  test('the clock is not asked any more once what it fires ends the task', async () => {
    const clock = testClock()
    const asked: number[] = []
    const counted = {
      ...clock,
      after(ms: number, callback: () => void) {
        asked.push(clock.now() + ms)
        return clock.after(ms, callback)
      },
    }
    const source = new Subject<Asked>()
    const seen: unknown[] = []
    local(source.pipe(alarms()), { clock: counted })
      .pipe(take(2))
      .subscribe((r) => seen.push(r.value))
    source.next(record('ann', { at: [3, 6] }, 0))
    await clock.advance(20)
    expect(seen).toEqual(['set', '3 at 3'])
    expect(asked).toEqual([3])
  })

  test('one that is further off than the clock can wait fires at its time', async () => {
    const clock = testClock()
    const impatient = { ...clock, after: (ms: number, callback: () => void) => clock.after(Math.min(ms, 4), callback) }
    const source = new Subject<Asked>()
    const fired: number[] = []
    local(
      source.pipe(
        process<Asked, Asked>(({ wallTimers, wallTime }) => ({
          record: (r) => wallTimers.at(10, r.key),
          wallTimer: () => fired.push(wallTime()),
        })),
      ),
      { clock: impatient },
    ).subscribe()
    source.next(record('ann', {}, 0))
    await clock.advance(20)
    expect(fired).toEqual([10])
  })

  test('one that was due when the input completed, but had not fired, does not, though others run on', async () => {
    const clock = testClock(100)
    const [first, second] = [new Subject<Asked>(), new Subject<Asked>()]
    const fired: string[] = []
    const firing = () =>
      process<Asked, Asked>(({ wallTimers }) => ({
        record: (r) => wallTimers.at(5, r.key),
        wallTimer: (timestamp, key) => fired.push(`${key} ${timestamp}`),
      }))
    local(merge(first.pipe(firing()), second.pipe(firing())), { clock }).subscribe()
    first.next(record('ann', {}, 0))
    first.complete()
    second.next(record('bob', {}, 0))
    await clock.settle()
    expect(fired).toEqual(['bob 5'])
  })

  test('it fires in a dispatch of its own: what follows takes it as it takes a record', async () => {
    await runMarbles({
      source: 'x---------|',
      out: '   --p--q----|',
      values: {
        x: ['ann', [2, 5]],
        p: { key: 'ann', value: 1 },
        q: { key: 'ann', value: 2 },
      },
      pipeline: (s) =>
        s.pipe(
          process<StreamRecord<string, number[]>, StreamRecord<string, number>>(({ wallTimers, emit }) => ({
            record: (r) => {
              for (const at of r.value) wallTimers.at(at, r.key)
            },
            wallTimer: (timestamp, key) => emit(record(key, timestamp, timestamp)),
          })),
          aggregate(count()),
        ),
    })
  })

  test('timers in event time that it sets at the present fire at once', async () => {
    await runMarbles({
      source: 'x@30------|',
      out: '   ----p-----|',
      values: { x: ['ann', 0], p: { key: 'ann', value: 'both', timestamp: 20 } },
      pipeline: (s) =>
        s.pipe(
          process<StreamRecord<string, number>, StreamRecord<string, string>>(({ timers, wallTimers, emit }) => ({
            record: (r) => wallTimers.at(4, r.key),
            wallTimer: (_timestamp, key) => timers.at(20, key),
            timer: (timestamp, key) => emit(record(key, 'both', timestamp)),
          })),
        ),
    })
  })

  test('many that are due fire all, in order, and others may be set meanwhile', async () => {
    const clock = testClock(1_000)
    const seen: string[] = []
    const source = new Subject<StreamRecord<string, number>>()
    local(
      source.pipe(
        process<StreamRecord<string, number>, unknown>(({ wallTimers }) => ({
          record(r) {
            for (let n = r.value; n > 0; n--) wallTimers.at(n, r.key)
          },
          wallTimer(timestamp, key) {
            seen.push(`${key} ${timestamp}`)
            // Before others that are due.
            if (key === 'k' && timestamp % 100 === 0) wallTimers.at(timestamp - 50, 'between')
          },
        })),
      ),
      { clock },
    ).subscribe()
    source.next(record('k', 300, 0))
    await clock.settle()
    expect(seen).toHaveLength(303)
    expect(seen.filter((line) => line.startsWith('k'))).toEqual(Array.from({ length: 300 }, (_, n) => `k ${n + 1}`))
    expect(seen.indexOf('between 50')).toBe(seen.indexOf('k 100') + 1)
  })

  test.each(['local', 'app'])('what it throws comes out with the operator (%s)', async (where) => {
    const failing = () =>
      process<StreamRecord<string, number>, StreamRecord<string, number>>(
        ({ wallTimers }) => ({
          record: (r) => wallTimers.at(5, r.key),
          wallTimer() {
            throw new RangeError('boom')
          },
        }),
        { name: 'failing' },
      )
    const failure = {
      code: 'OPERATOR_FAILED',
      message: expect.stringContaining('boom'),
      place: { operator: 'failing' },
    }
    if (where === 'local') {
      const run = await runMarbles({
        source: 'x------',
        out: '-----#',
        values: { x: ['ann', 0] },
        pipeline: (s) => s.pipe(failing()),
      })
      expect(run.error).toMatchObject(failure)
      return
    }
    const t = await testApp(
      (app) => {
        app.run('out', app.stream<number>('in', { value: json() }).pipe(failing(), toTopic('out')))
      },
      { topics: { in: 1, out: 1 } },
    )
    await t.send('in', { key: 'ann', value: 0 })
    await t.settle()
    expect(t.errors).toEqual([])
    await expect(t.advance(5)).rejects.toMatchObject(failure)
    await t.stop()
  })

  test('timers that set timers at the present for ever are TIMER_LOOP, though the clock goes on', () => {
    // A state of its own kind: a million entries of the real one take ten times as long.
    const set = new Set<number>()
    const state = {
      all: () => [],
      cell: ([time]: [number]) => (set.has(time) ? {} : undefined),
      put: ([time]: [number]) => set.add(time),
      delete: ([time]: [number]) => set.delete(time),
    }
    let now = 1_000
    let next: (() => void) | undefined
    let error: unknown
    const context = {
      operator: 'mine',
      clock: { now: () => now++, soon: (callback: () => void) => (next = callback) },
      cells: () => state,
      later: (run: () => void) => run(),
      fireDue() {},
      fail: (cause: unknown) => (error = cause),
    }
    const timers: WallTimers = new WallTimers(context as never, (timestamp, key) => timers.at((timestamp + 1) % 3, key))
    timers.at(0, 'a')
    for (let n = 0; n < 50_000 && next !== undefined && error === undefined; n++) {
      const run: () => void = next
      next = undefined
      run()
    }
    expect(error).toMatchObject({ code: 'TIMER_LOOP', place: { operator: 'mine' } })
  })

  test('first asked for after setup, they are BAD_STATE', () => {
    let error: unknown
    from([record('a', 1, 5)])
      .pipe(
        process<StreamRecord<string, number>, unknown>((context) => ({
          record: (r) => context.wallTimers.at(9, r.key),
        })),
      )
      .subscribe({ error: (e) => (error = e) })
    expect(error).toMatchObject({ code: 'BAD_STATE', message: expect.stringContaining('wallTimers was first asked') })
  })
})

describe('in an app', () => {
  const open = () =>
    testApp(
      (app) => {
        const stream = app.stream<{ at?: number[] }>('in', { value: json() })
        app.run('out', stream.pipe(alarms(), toTopic('out')))
      },
      { topics: { in: 1, out: 1 } },
    )

  test('after a restart those that have passed fire at once, in order and before records, the others at their time', async () => {
    const t = await open()
    await t.send('in', { key: 'ann', value: { at: [50, 10, 20] } })
    await t.settle()
    await t.advance(5)
    await t.crash()
    await t.clock.advance(25)
    await t.send('in', { key: 'bob', value: {}, timestamp: 0 })
    await t.restart()
    const values = async () => (await t.records('out')).map((r) => r.value)
    expect(await values()).toEqual(['set', '10 at 30', '20 at 30', 'set'])
    await t.advance(19)
    expect(await values()).toHaveLength(4)
    await t.advance(1)
    expect(await values()).toEqual(['set', '10 at 30', '20 at 30', 'set', '50 at 50'])
    expect(await t.state('alarms.wallTimers')).toEqual([])
    expect(t.errors).toEqual([])
    await t.stop()
  })

  test('they come back after a restart, also where only `record` asks for them', async () => {
    const t = await testApp(
      (app) => {
        const alarm = process<StreamRecord<string, number>, StreamRecord<string, string>>(
          (context) => ({
            record: (r) => context.wallTimers.at(r.value, r.key),
            wallTimer: (timestamp, key) => context.emit(record(key, 'due', timestamp)),
          }),
          { name: 'alarm' },
        )
        app.run('out', app.stream<number>('in', { value: json() }).pipe(alarm, toTopic('out')))
      },
      { topics: { in: 1, out: 1 } },
    )
    await t.send('in', { key: 'k', value: 10 })
    await t.settle()
    await t.crash()
    await t.restart()
    await t.advance(10)
    expect(t.errors).toEqual([])
    expect(await t.records('out')).toEqualRecords([{ key: 'k', value: 'due', timestamp: 10 }])
    await t.stop()
  })

  test('those of a task that moves to another member fire there', async () => {
    const t = await testApp(
      (app) => {
        const stream = app.stream<{ at?: number[] }>('in', { value: json() })
        app.run('out', stream.pipe(alarms(), toTopic('out')))
      },
      { topics: { in: 2, out: 2 } },
    )
    for (const partition of [0, 1]) await t.send('in', { key: `k${partition}`, value: { at: [10] }, partition })
    await t.settle()
    await t.addMember()
    await t.advance(10)
    const fired = (await t.records('out')).filter((r) => r.value !== 'set')
    expect(fired.map((r) => `${r.key} ${r.value}`).sort()).toEqual(['k0 10 at 10', 'k1 10 at 10'])
    await t.stop()
  })

  type Step =
    | { do: 'set'; key: string; at: number; checkpoint: boolean }
    | { do: 'pass'; ms: number }
    | { do: 'crash'; ms: number }
  const step: fc.Arbitrary<Step> = fc.oneof(
    fc.record({
      do: fc.constant('set' as const),
      key: fc.constantFrom('a', 'b', 'c'),
      at: fc.nat(60),
      checkpoint: fc.boolean(),
    }),
    fc.record({ do: fc.constant('pass' as const), ms: fc.nat(10) }),
    fc.record({ do: fc.constant('crash' as const), ms: fc.nat(20) }),
  )

  test('against a list of what is set, over crashes: each fires once, when its time has come', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 14 }), async (steps) => {
        const t = await open()
        let now = 0
        let waiting: { at: number; key: string }[] = []
        const expected: string[] = []
        /** All that is due by then, as if time had passed ms by ms, or in one go. */
        const pass = (until: number, isAtOnce: boolean) => {
          const due = waiting.filter(({ at }) => at <= until).sort((x, y) => x.at - y.at || (x.key < y.key ? -1 : 1))
          waiting = waiting.filter(({ at }) => at > until)
          for (const { at, key } of due) expected.push(`${key} ${at} at ${isAtOnce ? until : Math.max(at, now)}`)
          now = until
        }
        for (const one of steps) {
          if (one.do === 'set') {
            await t.send('in', { key: one.key, value: { at: [one.at] } })
            await t.settle({ checkpoint: one.checkpoint })
            if (!waiting.some(({ at, key }) => at === one.at && key === one.key)) waiting.push(one)
            pass(now, true)
          } else if (one.do === 'pass') {
            await t.advance(one.ms)
            pass(now + one.ms, false)
          } else {
            await t.settle()
            await t.crash()
            await t.clock.advance(one.ms)
            await t.restart()
            pass(now + one.ms, true)
          }
        }
        await t.settle()
        const fired = (await t.records('out')).filter((r) => r.value !== 'set').map((r) => `${r.key} ${r.value}`)
        expect(fired).toEqual(expected)
        expect(t.errors).toEqual([])
        await t.stop()
      }),
      { seed: 41, numRuns: 60 },
    )
  })
})
