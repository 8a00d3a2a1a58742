import { expect, test } from '@jest/globals'
import { aggregate, count, json, mapAsync, toTopic } from 'tidemark'
import { testApp } from 'tidemark/testing'

test('a task that has records and does nothing is reported once, with the reason, and is not live until it moves', async () => {
  const answers: (() => void)[] = []
  const t = await testApp(
    (app) => {
      const clicks = app.stream<number>('clicks', { value: json() })
      const slow = mapAsync(() => new Promise<number>((resolve) => answers.push(() => resolve(1))), { concurrency: 1 })
      app.run('slow', clicks.pipe(slow, toTopic('out')))
    },
    { topics: { clicks: 1, out: 1 }, stallTimeout: '1m' },
  )
  await t.send('clicks', [
    { key: 'a', value: 1 },
    { key: 'b', value: 2 },
  ])
  await t.settle()
  await t.advance('30s')
  expect(t.app.health()).toEqual({ live: true, ready: true, reasons: [] })
  await t.advance('2m')
  expect(t.errors.map(({ code, reason }) => `${code}: ${reason.replace(/\d+ ms/, '… ms')}`)).toEqual([
    'STALLED: task 0_0 has had something to do for … ms and has done nothing: mapAsync takes no more: 1 of its calls are under way',
  ])
  expect(t.app.health()).toEqual({ live: false, ready: true, reasons: ['task 0_0 does nothing'] })
  answers.shift()?.()
  await t.settle()
  await t.advance('30s')
  expect(t.app.health()).toEqual({ live: true, ready: true, reasons: [] })
  await t.stop()
})

test('a task that is caught up is never stalled', async () => {
  const t = await testApp(
    (app) => {
      app.run('counts', app.stream('clicks', { value: json() }).pipe(aggregate(count()), toTopic('out')))
    },
    { topics: { clicks: 2, out: 1 }, stallTimeout: '1m' },
  )
  await t.send('clicks', { key: 'a', value: 1 })
  await t.settle()
  await t.advance('1h')
  expect(t.errors).toEqual([])
  expect(t.app.health()).toEqual({ live: true, ready: true, reasons: [] })
  await t.stop()
  expect(t.app.health()).toEqual({ live: true, ready: false, reasons: ['the app is stopped'] })
})
