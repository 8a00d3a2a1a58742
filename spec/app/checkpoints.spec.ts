import { expect, test } from '@jest/globals'
import { type App, json, process, toTopic } from 'tidemark'
import { testApp } from 'tidemark/testing'

test('what is changed while a task is set up is written before more than fits would wait for it', async () => {
  const filling = (app: App) =>
    app.run(
      'filling',
      app.stream<number>('in', { value: json() }).pipe(
        process<any, any>(
          ({ keyed, emit }) => {
            const all = keyed<string, string>()
            for (let n = 0; n < 6_000; n++) all.put(`k${n}`, `${n}`.padEnd(1_000, 'x'))
            return { record: emit }
          },
          { name: 'filling' },
        ),
        toTopic('out'),
      ),
    )
  const t = await testApp(filling, { topics: { in: 1, out: 1 }, maxStateBytes: 1 })
  await t.send('in', { key: 'k', value: 1, timestamp: 1 })
  await t.settle()
  expect((await t.records('out')).map(({ value }) => value)).toEqual([1])
  await t.stop()
})
