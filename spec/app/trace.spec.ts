import { describe, expect, test } from '@jest/globals'
import {
  type App,
  aggregate,
  count,
  json,
  keyBy,
  string,
  type TraceEvent,
  toTopic,
  tracer,
  tumblingWindow,
} from '../../lib/index.js'
import { testApp } from '../../lib/testing/testApp.js'
import { sourcesOf, traceText } from '../task/traceText.js'

interface Visit {
  readonly user: string
}

const visits = (app: App) => {
  const source = app.stream<Visit>('visits', { value: json() })
  const counts = source.pipe(
    keyBy((visit) => visit.value.user, { name: 'by-user' }),
    tumblingWindow(1_000),
    aggregate(count(), { name: 'counts' }),
  )
  app.run('counts', counts.pipe(toTopic('counts')))
}

const topics = { visits: 2, counts: 1 }
const visit = (user: string, timestamp: number, key = user) => ({ key, value: { user }, timestamp })

function collector() {
  const events = new Map<number, TraceEvent>()
  const trace = tracer((event) => events.set(event.id, event))
  return {
    trace,
    events,
    of: (type: TraceEvent['type']) => [...events.values()].filter((event) => event.type === type),
  }
}

describe('a tracer of an app', () => {
  test('follows a record from topic to topic, through an exchange', async () => {
    const { trace, events } = collector()
    const t = await testApp(visits, { topics, trace })
    await t.send('visits', visit('ann', 100, 'page-1'))
    await t.settle()
    const steps = [...events.values()].filter(({ type }) => ['in', 'out', 'sent', 'window'].includes(type))
    expect(steps.map(({ type, operator }) => `${type} ${operator}`)).toEqual([
      'out visits',
      'in by-user',
      'sent by-user',
      'out by-user',
      'in counts',
      'window counts',
      'out counts',
      'in to counts',
      'sent to counts',
      'out to counts',
      // What `run` subscribes.
      'in counts',
    ])
    // Each is the cause of the next; the window's event isn't, it is what the result is made of.
    const [out, , sent, read, taken, window, result] = steps
    for (const [n, step] of steps.slice(0, 9).entries())
      if (n > 0 && step !== result) expect(step.cause).toBe(steps[n - 1]?.id)
    expect(result).toMatchObject({ cause: taken?.id, of: window?.id })
    expect(out).toMatchObject({ cause: undefined, record: { topic: 'visits', key: 'page-1', timestamp: 100 } })
    expect(sent).toMatchObject({ topic: 'test-by-user-repartition', key: 'ann', timestamp: 100 })
    expect(read).toMatchObject({ record: { topic: 'test-by-user-repartition', key: 'ann' } })
    expect(read?.task).not.toBe(sent?.task)
    expect(read?.node).not.toBe(sent?.node)
    await t.stop()
  })

  test('leads each result back to the records that its window has taken, of all tasks', async () => {
    const { trace, events, of } = collector()
    const t = await testApp(visits, { topics, trace })
    const sent = Array.from({ length: 40 }, (_, n) =>
      visit(['ann', 'bob', 'cy'][n % 3] as string, n * 90, `page-${n % 7}`),
    )
    for (const one of sent) await t.send('visits', one)
    await t.settle()
    const results = of('out').filter(({ operator }) => operator === 'counts') as (TraceEvent & { type: 'out' })[]
    const last = new Map(results.map(({ id, record }) => [JSON.stringify([record.key, (record as any).window]), id]))
    expect(last.size).toBe(12)
    for (const [text, id] of last) {
      const [key, window] = JSON.parse(text) as [string, { start: number; end: number }]
      const found = [...sourcesOf(events, id)].map(
        (source) => (events.get(source) as TraceEvent & { type: 'out' }).record,
      )
      const wanted = sent.filter(
        ({ value, timestamp }) => value.user === key && timestamp >= window.start && timestamp < window.end,
      )
      expect(found.map(({ timestamp }) => timestamp).sort((a, b) => a - b)).toEqual(
        wanted.map(({ timestamp }) => timestamp),
      )
      expect(found.every(({ topic }) => topic === 'visits')).toBe(true)
    }
    await t.stop()
  })

  test('writes and keeps what an app without one does', async () => {
    const outputs: unknown[] = []
    for (const trace of [undefined, collector().trace]) {
      const t = await testApp(visits, { topics, ...(trace && { trace }) })
      for (let n = 0; n < 30; n++)
        await t.send('visits', visit(['ann', 'bob'][n % 2] as string, n * 170, `page-${n % 5}`))
      await t.settle()
      outputs.push([await t.records('counts'), await t.state('counts')])
      await t.stop()
    }
    expect(outputs[1]).toEqual(outputs[0])
  })

  test('tells of windows that a checkpoint brings back, and of their end', async () => {
    const { trace, events } = collector()
    const one = (app: App) => {
      const source = app.stream<Visit>('visits', { value: json() })
      app.run('counts', source.pipe(tumblingWindow(1_000), aggregate(count(), { name: 'counts' }), toTopic('counts')))
    }
    const t = await testApp(one, { topics: { visits: 1, counts: 1 }, trace })
    await t.send('visits', [visit('ann', 100), visit('ann', 200)])
    await t.settle()
    await t.crash()
    const before = Math.max(...events.keys())
    await t.restart()
    await t.send('visits', [visit('ann', 300), visit('ann', 1_500)])
    await t.settle()
    const windows = [...events.values()].filter(({ id, type }) => id > before && type === 'window')
    expect(
      windows.map((event) =>
        traceText(event)
          .replace(/^\d+ window counts( <\d+)? /, '')
          .replace(/ was .*/, ''),
      ),
    ).toEqual([
      'restored ann [0,1000) undefined',
      'updated ann [0,1000) undefined',
      'opened ann [1000,2000) 1',
      'closed ann [0,1000) undefined',
    ])
    await t.stop()
  })

  test('knows that the wall clock moved time, and no record', async () => {
    const { trace, events, of } = collector()
    const quiet = (app: App) => {
      const source = app.stream<Visit>('visits', {
        value: json(),
        watermark: { maxOutOfOrderness: 0, idleTimeout: '1s' },
      })
      const counts = aggregate(count(), { name: 'counts', emit: 'close' })
      app.run('counts', source.pipe(tumblingWindow(1_000), counts, toTopic('counts')))
    }
    const t = await testApp(quiet, { topics: { visits: 1, counts: 1 }, trace })
    await t.send('visits', [visit('ann', 100), visit('ann', 200)])
    await t.settle()
    expect(of('fired')).toEqual([])
    await t.advance('5s')
    const [fired] = of('fired')
    expect(fired).toMatchObject({ operator: 'counts', time: 1_000, cause: undefined })
    const result = of('out').find(({ operator }) => operator === 'counts')
    expect(result).toMatchObject({ cause: fired?.id, record: { key: 'ann', value: 2 } })
    expect(sourcesOf(events, result?.id as number).size).toBe(2)
    const moved = of('time').filter(({ id }) => id < (fired?.id ?? 0) && id > (of('in').at(1)?.id ?? 0))
    expect(moved.map(({ operator, cause }) => [operator, cause])).toContainEqual(['visits', undefined])
    await t.stop()
  })

  test('goes on after a record that made its task go back', async () => {
    const { trace, events, of } = collector()
    const strict = (app: App) => {
      const source = app.stream<Visit>('visits', { value: json() })
      const known = { init: () => 0, add: (n: number, { value }: { value: Visit }) => n + check(value) }
      app.run('counts', source.pipe(aggregate(known), toTopic('counts')))
    }
    const check = ({ user }: Visit) => {
      if (user === 'eve') throw new Error('not her')
      return 1
    }
    const t = await testApp(strict, { topics: { visits: 1, counts: 1 }, trace, onError: 'skip' })
    await t.send('visits', [visit('ann', 1), visit('eve', 2), visit('ann', 3)])
    await t.settle()
    expect(
      of('dropped')
        .map(traceText)
        .map((line) => line.replace(/^\d+ /, '')),
    ).toEqual(['dropped aggregate none bad record'])
    const results = (await t.records('counts')).map(({ value }) => value)
    expect(results.at(-1)).toBe(2)
    for (const event of of('out')) expect(sourcesOf(events, event.id).size).toBe(1)
    await t.stop()
  })

  test('changes nothing where keys are only written, never read back', async () => {
    const { trace, of } = collector()
    const onlyWrites = {
      ...string(),
      deserialize() {
        throw new Error('only written')
      },
    }
    const copying = (app: App) =>
      app.run('copy', app.stream<Visit>('visits', { value: json() }).pipe(toTopic('counts', { key: onlyWrites })))
    const t = await testApp(copying, { topics: { visits: 1, counts: 1 }, trace })
    await t.send('visits', visit('ann', 1))
    await t.settle()
    expect(of('sent').map((event) => 'key' in event && event.key)).toEqual([undefined])
    expect((await t.records('counts')).map(({ value }) => value)).toEqual([{ user: 'ann' }])
    await t.stop()
  })
})
