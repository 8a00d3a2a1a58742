import { describe, expect, test } from '@jest/globals'
import { map, type Observable, Subject } from 'rxjs'
import {
  aggregate,
  collect,
  count,
  deadLetter,
  json,
  local,
  mapAsync,
  mapValues,
  record,
  retry,
  type StreamRecord,
  toTopic,
  tumblingWindow,
  withWatermark,
} from 'tidemark'
import {
  type MarbleTools,
  matchers,
  operatorLaws,
  runMarbles,
  type TestApp,
  testApp,
  testClock,
} from 'tidemark/testing'
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
            { onError: retry({ times: 2, backoff: 10, jitter: 0 }) },
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
            { onError: retry({ times: 1, jitter: 0 }) },
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
            { timeout: 4, onError: retry({ times: 1, backoff: 10, jitter: 0 }) },
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
    const subscription = local(source.pipe(mapAsync(failing, { onError: retry({ times: 5, backoff: 10 }) })), {
      clock,
    }).subscribe()
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

  test.each([{ concurrency: 0 }, { concurrency: 1.5 }, { timeout: 0 }])('%j is refused', (options) => {
    expect(() => mapAsync(async () => 1, options)).toThrow(
      expect.objectContaining({ code: expect.stringMatching(/BAD_OPTION|BAD_DURATION/) }),
    )
  })
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

describe('calls that fail', () => {
  /** Fails for records whose value is negative, as long as `isDown` for all. */
  const service = () => {
    const calls: number[] = []
    const state = { isDown: false }
    const call = async (r: { value: number }) => {
      calls.push(r.value)
      if (r.value < 0 || state.isDown) throw new Error(`no ${r.value}`)
      return r.value * 10
    }
    return { calls, state, call }
  }
  const topics = { in: 1, out: 1, dead: 1 }
  const send = async (t: TestApp<unknown>, ...values: number[]) => {
    await t.send(
      'in',
      values.map((value) => ({ key: `k${Math.abs(value) % 2}`, value, timestamp: Math.abs(value) })),
    )
    await t.settle()
  }
  const values = async (t: TestApp<unknown>, topic: string) => (await t.records(topic)).map(({ value }) => value)

  test.each(['input', 'key', 'none'] as const)(
    'order %s: a dead letter, and those behind it come out',
    async (order) => {
      const { call } = service()
      const t = await testApp(
        (app) => {
          const stream = app.stream<number>('in', { value: json() })
          app.run(
            'out',
            stream.pipe(mapAsync(call, { name: 'calls', order, onError: deadLetter('dead') }), toTopic('out')),
          )
        },
        { topics },
      )
      await send(t, 1, -2, 3, -4, 4)
      expect((await values(t, 'out')).sort()).toEqual([10, 30, 40])
      expect((await values(t, 'dead')).sort()).toEqual([-2, -4])
      expect(await t.state('calls')).toEqual([])
      expect(t.errors.map(({ code, place }) => [code, place.operator, place.offset])).toEqual([
        ['ASYNC_FAILED', 'calls', 1],
        ['ASYNC_FAILED', 'calls', 3],
      ])
      expect(t.app.stats().tasks.flatMap(({ dropped }) => dropped)).toEqual([
        { operator: 'calls', reason: 'dead letter', count: 2 },
      ])
      await t.stop()
    },
  )

  test.each([
    ['input', 'once', { times: 1 }, [10, 20, 30], 4],
    ['key', 'once', { times: 1 }, [10, 20, 30], 4],
    ['input', 'always', { times: 2, orElse: 'skip' }, [20, 30], 5],
    ['key', 'always', { times: 2, orElse: 'skip' }, [20, 30], 5],
  ] as const)(
    'order %s: a result that %s fails in what follows; those behind it wait for the other call',
    async (order, often, policy, wanted, made) => {
      const calls: number[] = []
      // The first takes longest.
      const call = async ({ value }: { value: number }) => {
        calls.push(value)
        await t.clock.sleep(40 - 10 * value)
        return value * 10
      }
      let failures = 0
      const refused = (value: number) => {
        if (value === 10 && (often === 'always' || failures === 0)) throw new RangeError(`${++failures}`)
        return value
      }
      const t = await testApp(
        (app) => {
          const stream = app.stream<number>('in', { value: json(), onError: retry({ ...policy, backoff: 100 }) })
          app.run('out', stream.pipe(mapAsync(call, { name: 'calls', order }), mapValues(refused), toTopic('out')))
        },
        { topics },
      )
      await t.send(
        'in',
        [1, 2, 3].map((value) => ({ key: 'k', value, timestamp: value })),
      )
      await t.settle()
      await t.advance('1s')
      expect(await values(t, 'out')).toEqual(wanted)
      expect(calls).toHaveLength(made)
      expect(await t.state('calls')).toEqual([])
      await t.stop()
    },
  )

  test('after a restart the dead letter is still the record as it was read', async () => {
    const { call, state } = service()
    let answer = true
    const hanging = (r: { value: number }) => (answer ? call(r) : new Promise<number>(() => {}))
    const t = await testApp(
      (app) => {
        const stream = app.stream<number>('in', { value: json() })
        app.run(
          'out',
          stream.pipe(
            mapValues((value) => value + 100),
            mapAsync(hanging, { name: 'calls' }),
            toTopic('out'),
          ),
        )
      },
      { topics, onError: { async: deadLetter('dead') } },
    )
    answer = false
    const headers = [['trace', new Uint8Array([0, 255])]] as const
    await t.send('in', { key: 'k', value: 7, timestamp: 5, headers })
    await t.settle()
    await t.crash()
    answer = true
    state.isDown = true
    await t.restart()
    const [letter, ...others] = await t.records('dead')
    expect(others).toEqual([])
    expect(letter).toMatchObject({ key: 'k', value: 7, timestamp: 5 })
    expect(letter?.headers[0]).toEqual(headers[0])
    await t.stop()
  })

  test.each([
    ['an operator', mapValues<StreamRecord<string, number>, number>((n) => odd(n, 2)), 2],
    ['a plain operator', map((r: StreamRecord<string, number>) => ({ ...r, value: odd(r.value, 2) })), 2],
    [
      'an operator behind state',
      (s: Observable<StreamRecord<string, number>>) =>
        s.pipe(
          aggregate(count(), { name: 'n' }),
          mapValues((n) => odd(n, 2)),
        ),
      // The second of its key.
      3,
    ],
  ])(
    '%s behind the call throws: the record of that call is set aside, also if its calls are made again',
    async (_name, behind, wrong) => {
      const seen: number[] = []
      const t = await testApp(
        (app) => {
          const stream = app.stream<number>('in', { value: json() })
          const call = async (r: { value: number }) => {
            seen.push(r.value)
            return r.value
          }
          app.run('out', stream.pipe(mapAsync(call, { name: 'calls' }), behind as never, toTopic('out')))
        },
        { topics, onError: deadLetter('dead') },
      )
      await send(t, 1, 2, 3)
      await t.settle()
      expect(await values(t, 'dead')).toEqual([wrong])
      expect(await values(t, 'out')).toHaveLength(2)
      expect(await t.state('calls')).toEqual([])
      expect(t.errors).toHaveLength(1)
      await t.stop()
    },
  )

  test('of an input that no record of a topic is behind: skip leaves it out, a dead letter is none', async () => {
    for (const [onError, wanted] of [
      ['skip', 'running'],
      [deadLetter('dead'), 'ASYNC_FAILED'],
    ] as const) {
      const t = await testApp(
        (app) => {
          const stream = app.stream<number>('in', { value: json() })
          const call = async () => {
            throw new Error('no')
          }
          app.run(
            'out',
            stream.pipe(
              tumblingWindow(2),
              aggregate(count(), { name: 'n', emit: 'close' }),
              mapAsync(call, { name: 'calls', onError }),
            ),
          )
        },
        { topics },
      )
      const came = await send(t, 1, 2, 3, 4).then(
        () => t.app.stats().state,
        ({ code }) => code,
      )
      expect(came).toBe(wanted)
      expect(await values(t, 'dead')).toEqual([])
      await t.stop()
    }
  })

  test('by key: a call that is to be made again holds up its key alone', async () => {
    const { call, calls } = service()
    const t = await testApp(
      (app) => {
        const stream = app.stream<number>('in', { value: json() })
        const onError = retry({ times: 2, backoff: 100, jitter: 0, orElse: 'skip' })
        app.run('out', stream.pipe(mapAsync(call, { name: 'calls', order: 'key', onError }), toTopic('out')))
      },
      { topics },
    )
    await send(t, -1, 3, 2, 4)
    expect(calls).toEqual([-1, 2, 4])
    expect(await values(t, 'out')).toEqual([20, 40])
    await t.advance('99ms')
    expect(calls).toEqual([-1, 2, 4])
    await t.advance('1ms')
    await t.advance('200ms')
    expect(calls).toEqual([-1, 2, 4, -1, -1, 3])
    expect(await values(t, 'out')).toEqual([20, 40, 30])
    await t.stop()
  })
})

describe('a circuit', () => {
  const down = (clock: { now(): number }, isDown: () => boolean) => {
    const calls: [at: number, value: number][] = []
    const call = async (r: { value: number }) => {
      calls.push([clock.now(), r.value])
      if (isDown()) throw new Error('down')
      return r.value
    }
    return { calls, call }
  }

  test('wait: no call is made while it is open, one is tried then, and nothing is lost however long it takes', async () => {
    let isDown = true
    const clock = testClock()
    const { call, calls } = down(clock, () => isDown)
    const t = await testApp(
      (app) => {
        const stream = app.stream<number>('in', { value: json() })
        const options = {
          name: 'calls',
          concurrency: 2,
          onError: retry({ times: Number.POSITIVE_INFINITY, backoff: 10, jitter: 0 }),
          circuit: { failures: 3, openFor: 1_000 },
        }
        app.run('out', stream.pipe(mapAsync(call, options), toTopic('out')))
      },
      { topics: { in: 1, out: 1 }, clock },
    )
    await t.send(
      'in',
      [1, 2, 3, 4].map((value) => ({ key: 'k', value, timestamp: value })),
    )
    await t.settle()
    await t.advance(999)
    // Two at once, then the first again, which opens it.
    expect(calls.map(([at]) => at)).toEqual([0, 0, 10])
    expect(t.app.stats().tasks[0]?.waitsFor).toContain('calls takes no more')
    await t.advance('2s')
    expect(calls.map(([at]) => at).slice(3)).toEqual([1_010, 2_010])
    isDown = false
    await t.advance('1s')
    expect((await t.records('out')).map(({ value }) => value)).toEqual([1, 2, 3, 4])
    expect(t.app.stats().state).toBe('running')
    await t.stop()
  })

  test('calls that were under way when it opened change nothing: one is tried, not one for each', async () => {
    const clock = testClock()
    const { call, calls } = down(clock, () => true)
    const t = await testApp(
      (app) => {
        const stream = app.stream<number>('in', { value: json() })
        const onError = retry({ times: Number.POSITIVE_INFINITY, backoff: 10, jitter: 0 })
        const circuit = { failures: 2, openFor: 1_000 }
        app.run('out', stream.pipe(mapAsync(call, { name: 'calls', concurrency: 4, onError, circuit })))
      },
      { topics: { in: 1 }, clock },
    )
    await t.send(
      'in',
      [1, 2, 3, 4].map((value) => ({ key: 'k', value, timestamp: value })),
    )
    await t.settle()
    await t.advance('1s')
    expect(calls.map(([at]) => at)).toEqual([0, 0, 0, 0, 1_000])
    await t.stop()
  })

  test('reject: meanwhile each call fails at once, and its record goes where the policy says', async () => {
    let isDown = true
    const clock = testClock()
    const { call, calls } = down(clock, () => isDown)
    const t = await testApp(
      (app) => {
        const stream = app.stream<number>('in', { value: json() })
        const circuit = { failures: 2, openFor: 1_000, meanwhile: 'reject' as const }
        app.run('out', stream.pipe(mapAsync(call, { name: 'calls', concurrency: 1, circuit }), toTopic('out')))
      },
      { topics: { in: 1, out: 1, dead: 1 }, clock, onError: deadLetter('dead') },
    )
    const send = async (...values: number[]) => {
      await t.send(
        'in',
        values.map((value) => ({ key: 'k', value, timestamp: value })),
      )
      await t.settle()
    }
    await send(1, 2, 3, 4)
    expect(calls.map(([, value]) => value)).toEqual([1, 2])
    expect(t.errors.map(({ code }) => code)).toEqual(['ASYNC_FAILED', 'ASYNC_FAILED', 'CIRCUIT_OPEN', 'CIRCUIT_OPEN'])
    isDown = false
    await t.advance('1s')
    await send(5, 6)
    expect((await t.records('dead')).map(({ value }) => value)).toEqual([1, 2, 3, 4])
    expect((await t.records('out')).map(({ value }) => value)).toEqual([5, 6])
    await t.stop()
  })

  test.each([{ failures: 0 }, { openFor: 0 }])('%j is refused', (wrong) => {
    expect(() => mapAsync(async () => 1, { circuit: { failures: 1, openFor: 1, ...wrong } })).toThrow(
      expect.objectContaining({ code: expect.stringMatching(/BAD_OPTION|BAD_DURATION/) }),
    )
  })
})

const odd = (value: number, wrong: number) => {
  if (value === wrong) throw new RangeError(`${value}`)
  return value
}
