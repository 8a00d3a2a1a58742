import { expect, test } from '@jest/globals'
import { aggregate, count, createApp, deadLetter, embedded, json, keyBy, memory, toTopic } from 'tidemark'
import { runtimeOf } from '../../lib/app/app.js'
import { resolvePartitions, topicsOf } from '../../lib/app/partitions.js'

/** A broker's topics, all of them there, which notes those that are looked up. */
class Noted extends Map<string, number> {
  readonly topics = new Set<string>()

  override get(topic: string) {
    this.topics.add(topic)
    return 2
  }

  override has(topic: string) {
    this.topics.add(topic)
    return true
  }
}

test('what is looked up are the topics that the broker is asked for by name', () => {
  const app = createApp({ id: 'a', broker: embedded(), store: memory(), onError: deadLetter('dead') })
  const input = app.stream<{ user: string }>('in', { value: json(), onError: deadLetter('in-dead') })
  const counts = input.pipe(
    keyBy(({ value }) => value.user, { name: 'by' }),
    aggregate(count(), { name: 'counts' }),
  )
  app.run('counts', counts.pipe(toTopic('out')))
  const plan = runtimeOf(app).options.plan()
  const lookedUp = (hasChangelogs: boolean) => {
    const noted = new Noted()
    resolvePartitions(plan, noted, hasChangelogs)
    return [...noted.topics].sort()
  }
  const topics = ['a-by-repartition', 'dead', 'in', 'in-dead', 'out']
  expect(lookedUp(false)).toEqual(topics)
  expect(topicsOf(plan, false).sort()).toEqual(topics)
  const changelogs = ['a-counts-changelog', 'a-in.time-changelog']
  expect(lookedUp(true)).toEqual([...topics, ...changelogs].sort())
  expect(topicsOf(plan, true).sort()).toEqual([...topics, ...changelogs].sort())
})
