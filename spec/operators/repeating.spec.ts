import { describe, expect, test } from '@jest/globals'
import { from, merge, NEVER, Subject, take } from 'rxjs'
import { json, local, process, record, type StreamRecord, toTopic } from 'tidemark'
import { matchers, runMarbles, testApp, testClock } from 'tidemark/testing'

expect.extend(matchers)

/** Tells every 5 ms how many records there have been. */
const counting = () =>
  process<StreamRecord<string, any>, StreamRecord<string, number>>(
    ({ every, keyed, emit, timers }) => {
      const seen = keyed<string, number>()
      every('5ms', (wallTime) => {
        emit(record('seen', seen.get('seen') ?? 0, wallTime))
        // Due already in event time, once there is any.
        timers.at(0, 'due')
      })
      return {
        record: () => seen.put('seen', (seen.get('seen') ?? 0) + 1),
        timer: (timestamp, key) => emit(record(key, -1, timestamp)),
      }
    },
    { name: 'counting' },
  )

describe('every runs each time an interval after the last', () => {
  test.each([
    { name: 'without records too', source: '-------a---aa------', out: '-----o-d--(pd)-(qd)' },
    { name: 'until completion', source: '-------a------|-----', out: '-----o-d--(pd)|' },
    { name: 'until an error', source: '-------a------#-----', out: '-----o-d--(pd)#' },
  ])('$name', async ({ source, out }) => {
    await runMarbles({
      source,
      out,
      values: {
        a: ['ann', 0],
        o: { key: 'seen', value: 0, timestamp: 5 },
        p: { key: 'seen', value: 1, timestamp: 10 },
        q: { key: 'seen', value: 3, timestamp: 15 },
        d: { key: 'due', value: -1, timestamp: 0 },
      },
      pipeline: (s) => s.pipe(counting()),
    })
  })
})

describe('in an app', () => {
  const open = () =>
    testApp(
      (app) => {
        const stream = app.stream<number>('in', { value: json() })
        app.run('out', stream.pipe(counting(), toTopic('out')))
      },
      { topics: { in: 1, out: 1 } },
    )

  test('it begins anew with each task, over the state that was', async () => {
    const t = await open()
    await t.send('in', { key: 'a', value: 0, timestamp: 0 })
    await t.advance(7)
    await t.crash()
    await t.advance(10)
    await t.restart()
    await t.advance(4)
    expect(await t.records('out')).toEqualRecords([
      { key: 'seen', value: 1, timestamp: 5 },
      { key: 'due', value: -1 },
    ])
    await t.advance(1)
    expect((await t.records('out')).slice(2)).toEqualRecords([
      { key: 'seen', value: 1, timestamp: 22 },
      { key: 'due', value: -1 },
    ])
    expect(t.errors).toEqual([])
    await t.stop()
  })

  test('what it throws fails the app, with the operator', async () => {
    const t = await testApp(
      (app) => {
        const stream = app.stream<number>('in', { value: json() })
        const failing = process<StreamRecord<string, number>, never>(
          ({ every }) => {
            every(5, () => {
              throw new RangeError('boom')
            })
            return { record() {} }
          },
          { name: 'failing' },
        )
        app.run('out', stream.pipe(failing))
      },
      { topics: { in: 1 } },
    )
    await expect(t.advance(5)).rejects.toMatchObject({ code: 'OPERATOR_FAILED', place: { operator: 'failing' } })
    await t.stop()
  })
})

describe('every', () => {
  /** Calls back every ms, of a clock that tells what it is asked. */
  const open = () => {
    const clock = testClock()
    const asked: number[] = []
    const counted = {
      ...clock,
      after(ms: number, callback: () => void) {
        asked.push(clock.now() + ms)
        return clock.after(ms, callback)
      },
    }
    const ticking = () =>
      process<StreamRecord<string, number>, number>(({ every, emit }) => {
        every(1, emit)
        return { record() {} }
      })
    return { clock, asked, counted, ticking }
  }

  test('goes on until the input has completed, though others run on', async () => {
    const { clock, asked, counted, ticking } = open()
    const [first, second] = [new Subject<any>(), new Subject<any>()]
    local(merge(first.pipe(ticking()), second.pipe(ticking())), { clock: counted }).subscribe()
    await clock.advance(1)
    expect(asked).toEqual([1, 1, 2, 2])
    first.complete()
    await clock.advance(2)
    expect(asked).toEqual([1, 1, 2, 2, 3, 4])
  })

  test('asks nothing more of the clock once what it does ends the task', async () => {
    const { clock, asked, counted, ticking } = open()
    const seen: number[] = []
    local(NEVER.pipe(ticking()), { clock: counted })
      .pipe(take(2))
      .subscribe((time) => seen.push(time))
    await clock.advance(9)
    expect(seen).toEqual([1, 2])
    expect(asked).toEqual([1, 2])
  })

  test('lets go of the clock when unsubscribed', async () => {
    const { clock, ticking } = open()
    let cancelled = 0
    const counted = {
      ...clock,
      after(ms: number, callback: () => void) {
        const cancel = clock.after(ms, callback)
        return () => {
          cancelled++
          cancel()
        }
      },
    }
    local(NEVER.pipe(ticking()), { clock: counted }).subscribe().unsubscribe()
    expect(cancelled).toBe(1)
  })

  test('asked for after setup is BAD_STATE', () => {
    let error: unknown
    from([record('a', 1, 5)])
      .pipe(process<StreamRecord<string, number>, never>((context) => ({ record: () => context.every(5, () => {}) })))
      .subscribe({ error: (e) => (error = e) })
    expect(error).toMatchObject({
      code: 'BAD_STATE',
      message: expect.stringContaining('every was first asked for after'),
    })
  })
})

test('an interval of nothing is BAD_DURATION', async () => {
  const setUp = runMarbles({
    source: 'a',
    out: '#',
    values: { a: ['ann', 0] },
    pipeline: (s) =>
      s.pipe(
        process(({ every }) => {
          every(0, () => {})
          return { record() {} }
        }),
      ),
  })
  expect((await setUp).error).toMatchObject({
    code: 'BAD_DURATION',
    message: expect.stringContaining('process: every'),
  })
})
