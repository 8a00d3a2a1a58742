import { describe, expect, test } from '@jest/globals'
import { Subject } from 'rxjs'
import {
  aggregate,
  collect,
  json,
  local,
  mapAsync,
  mapValues,
  record,
  type StreamRecord,
  toTopic,
  tumblingWindow,
  withWatermark,
} from 'tidemark'
import { type MarbleTools, matchers, operatorLaws, runMarbles, testApp, testClock } from 'tidemark/testing'
import { expectDrawn } from '../testing/docstring.js'

expect.extend(matchers)

/** A call that takes as many ms as the value says, and gives it back as text. */
const slow = (tools: MarbleTools) => async (r: { value: number }) => {
  await tools.clock.sleep(r.value)
  return `${r.value}`
}

describe('its diagram', () => {
  const source = 'a--b------|'
  test.each([
    ['input', '------(xy)|'],
    ['none', '----y-x---|'],
  ] as const)('order %s', async (order, out) => {
    expectDrawn('operators/mapAsync.ts', `in             ${source}`, `${`order '${order}'`.padEnd(14)} ${out}`)
    await runMarbles({
      source,
      out,
      values: { a: ['ann', 6], b: ['bob', 1], x: ['ann', '6'], y: ['bob', '1'] },
      pipeline: (s, tools) => s.pipe(mapAsync(slow(tools), { order })),
    })
  })
})

describe.each(['input', 'key', 'none'] as const)('laws, order %s', (order) => {
  const input = [3, 1, 2, 7, 5].map((time, i) => record(['ann', 'bob'][i % 2] as string, i, time))
  const operator = () => mapAsync(async (r: { value: number }) => r.value + 1, { order, concurrency: 2 })
  for (const law of operatorLaws(operator, input, { isAsync: true })) test(law.name, law.run)
})

describe('edges', () => {
  const values = {
    a: ['ann', 6],
    b: ['bob', 1],
    c: ['ann', 1],
    n: [null, null],
    x: ['ann', '6'],
    y: ['bob', '1'],
    z: ['ann', '1'],
    m: [null, 'null'],
  } as const

  test.each<{ name: string; source: string; out: string; options?: Parameters<typeof mapAsync>[1] }>([
    { name: 'an empty source', source: '|', out: '|' },
    { name: 'an error does not wait for what is in flight', source: 'a-#', out: '--#' },
    { name: 'completion waits for what is in flight', source: 'a|------', out: '------(x|)' },
    { name: 'timestamps stay', source: 'b@9--', out: '-y@9' },
    { name: 'null keys and values are called for', source: 'n-', out: 'm' },
    {
      name: 'key: one call per key at a time, keys side by side',
      source: '(acb)----',
      out: '-y----xz',
      options: { order: 'key' },
    },
    { name: 'none: all at once', source: '(acb)----', out: '-(zy)-x', options: { order: 'none' } },
    {
      name: 'concurrency 1: one after the other',
      source: '(acb)-----',
      out: '------xzy',
      options: { order: 'none', concurrency: 1 },
    },
  ])('$name', async ({ source, out, options }) => {
    await runMarbles({ source, out, values, pipeline: (s, tools) => s.pipe(mapAsync(slow(tools), options)) })
  })

  test('what follows sees no time beyond what is in flight', async () => {
    await runMarbles({
      // b's record would close the window that a, still in flight, belongs to.
      source: 'a@1-b@12------|',
      out: '   ------u-------(v|)',
      values: {
        ...values,
        u: { value: ['6'], window: { start: 0, end: 10 } },
        v: { value: ['1'], window: { start: 10, end: 20 } },
      },
      pipeline: (s, tools) =>
        s.pipe(
          withWatermark({ maxOutOfOrderness: 0 }),
          mapAsync(slow(tools), { order: 'none' }),
          mapValues((v) => v),
          tumblingWindow(10),
          aggregate(collect(), { emit: 'close' }),
        ) as any,
    })
  })

  test('retries with doubling pauses, then gives up with the place', async () => {
    const calls: number[] = []
    const run = await runMarbles({
      source: 'b--------- 1s ',
      out: ' 30ms #',
      values,
      pipeline: (s, { clock }) =>
        s.pipe(
          mapAsync(
            async () => {
              calls.push(clock.now())
              throw new RangeError('boom')
            },
            { retries: 2, backoff: 10 },
          ),
        ),
    })
    expect(calls).toEqual([0, 10, 30])
    expect(run.error).toMatchObject({ code: 'ASYNC_FAILED', place: { operator: 'mapAsync', key: 'bob' } })
    expect((run.error as Error).message).toContain('failed 3 times: boom')
  })

  test('a retry that succeeds leaves no trace', async () => {
    let calls = 0
    await runMarbles({
      source: 'b- 1s -',
      out: ' 100ms y',
      values,
      pipeline: (s) =>
        s.pipe(
          mapAsync(
            async () => {
              if (calls++ === 0) throw new Error('once')
              return '1'
            },
            { retries: 1 },
          ),
        ),
    })
  })

  test('a call that gives no answer in time fails', async () => {
    const run = await runMarbles({
      source: 'a--------',
      out: '----#',
      values,
      pipeline: (s, tools) => s.pipe(mapAsync(slow(tools), { timeout: 4 })),
    })
    expect((run.error as Error).message).toContain('no answer within 4 ms')
  })

  test('a call whose time is up has its signal aborted; the next attempt gets one of its own', async () => {
    const seen: { signal: AbortSignal; at: number }[] = []
    await runMarbles({
      source: 'b- 1s -',
      out: ' 14ms y',
      values,
      pipeline: (s, { clock }) =>
        s.pipe(
          mapAsync(
            (_record, { signal }) => {
              seen.push({ signal, at: clock.now() })
              return seen.length === 1 ? new Promise<string>(() => {}) : Promise.resolve('1')
            },
            { timeout: 4, retries: 1, backoff: 10 },
          ),
        ),
    })
    expect(seen.map(({ signal, at }) => [at, signal.aborted])).toEqual([
      [0, true],
      [14, false],
    ])
  })

  test('after the end no call is made: not after a pause, and not one that was about to begin', async () => {
    const clock = testClock()
    let calls = 0
    const source = new Subject<StreamRecord<string, number>>()
    const failing = async () => {
      calls++
      throw new Error('boom')
    }
    const subscription = local(source.pipe(mapAsync(failing, { retries: 5, backoff: 10 })), { clock }).subscribe()
    source.next(record('a', 1, 1))
    await clock.settle()
    source.next(record('b', 1, 1))
    subscription.unsubscribe()
    await clock.advance('1m')
    expect(calls).toBe(1)
  })

  test('unsubscribing aborts the signal', async () => {
    let signal: AbortSignal | undefined
    await runMarbles({
      source: 'a---',
      out: '-',
      values,
      pipeline: (s) =>
        s.pipe(
          mapAsync((_record, context) => {
            signal = context.signal
            return new Promise(() => {})
          }),
        ),
    })
    expect(signal?.aborted).toBe(true)
  })

  test.each([{ concurrency: 0 }, { concurrency: 1.5 }, { retries: -1 }, { timeout: 0 }, { backoff: -1 }])(
    '%j is refused',
    (options) => {
      expect(() => mapAsync(async () => 1, options)).toThrow(
        expect.objectContaining({ code: expect.stringMatching(/BAD_OPTION|BAD_DURATION/) }),
      )
    },
  )
})

describe('in an app', () => {
  test('a checkpoint holds what is in flight, and a restart calls again; reading stops at the limit', async () => {
    const calls: number[] = []
    let answer: ((value: number) => void)[] = []
    const t = await testApp(
      (app) => {
        const stream = app.stream<number>('in', { value: json() })
        const call = (r: { value: number }) => {
          calls.push(r.value)
          return new Promise<number>((resolve) => answer.push(() => resolve(r.value * 10)))
        }
        app.run('out', stream.pipe(mapAsync(call, { name: 'calls', concurrency: 2 }), toTopic('out')))
      },
      { topics: { in: 1, out: 1 } },
    )
    await t.send(
      'in',
      [1, 2, 3].map((value) => ({ key: 'k', value, timestamp: value })),
    )
    await t.settle()
    expect(calls).toEqual([1, 2])
    expect((await t.state('calls')).map(({ key }) => key)).toEqual([0, 1])
    await t.crash()
    answer = []
    await t.restart()
    expect(calls).toEqual([1, 2, 1, 2])
    for (let round = 0; round < 2; round++) {
      for (const reply of answer.splice(0)) reply(0)
      await t.settle()
    }
    expect(calls).toEqual([1, 2, 1, 2, 3])
    expect(await t.records('out')).toEqualRecords(
      [1, 2, 3].map((value) => ({ key: 'k', value: value * 10, timestamp: value })),
    )
    expect(await t.state('calls')).toEqual([])
    expect(t.errors).toEqual([])
    await t.stop()
  })
})
