import { expect, test } from '@jest/globals'
import { type Broker, embedded, type Headers, type OutRecord, TidemarkError } from 'tidemark'
import { readErrorFacts, withErrorFacts } from '../../lib/app/errorHeaders.js'
import { letterFilter } from '../../lib/cli/letterFilter.js'
import { replayDeadLetters } from '../../lib/cli/replayDeadLetters.js'

const bytes = (text: string) => new TextEncoder().encode(text)
const text = (value: Uint8Array | null) => (value === null ? null : new TextDecoder().decode(value))

const FACTS = {
  exception: 'Error',
  message: 'no',
  topic: 'orders',
  partition: 0,
  offset: 0,
  code: 'OPERATOR_FAILED',
  stage: 'process',
  operator: 'mapValues',
  app: 'spend',
} as const

const letter = (value: string, facts: Partial<typeof FACTS | { code: string; partition: number }>, own: Headers = []) =>
  ({
    topic: 'dead',
    partition: 0,
    key: bytes('k'),
    value: bytes(value),
    timestamp: 42,
    headers: withErrorFacts(own, { ...FACTS, ...(facts as object) }),
  }) satisfies OutRecord

async function given(topics: Record<string, number>, letters: readonly OutRecord[]) {
  const broker = embedded()
  await broker.connect()
  await broker.createTopics(Object.entries(topics).map(([topic, partitions]) => ({ topic, partitions })))
  await (await broker.producer()).send(letters)
  const lines: string[] = []
  const replay = (
    options: { to?: string; filter?: string[]; isDryRun?: boolean; group?: string } = {},
    on: Broker = broker,
  ) =>
    replayDeadLetters(
      on,
      {
        from: 'dead',
        to: options.to,
        group: options.group ?? 'dead-replay',
        isWanted: letterFilter(options.filter ?? []),
        isDryRun: options.isDryRun === true,
      },
      (line) => lines.push(line),
    )
  const read = async (topic: string) => {
    const found: [partition: number, value: string | null, timestamp: number, headers: Headers][] = []
    for (const [partition, { start, end }] of (await broker.ranges(topic)).entries())
      await broker.read({ topic, partition }, start, end, ({ records }) => {
        for (const { value, timestamp, headers } of records) found.push([partition, text(value), timestamp, headers])
      })
    return found
  }
  return { broker, lines, replay, read }
}

test('each letter goes back to its partition as it was read, once, however often it is run', async () => {
  const own = [['trace', bytes('1')]] as const
  const letters = [letter('a', { partition: 1 }, own), letter('b', {})]
  const { replay, read, lines, broker } = await given({ orders: 2, dead: 1 }, letters)
  await replay()
  expect(lines).toEqual([
    'dead[0] 0 to 2: 2 put back, 0 left out by the filter, 0 no dead letters',
    'dead: 2 put back, 0 left out by the filter, 0 no dead letters',
  ])
  const back = [
    [0, 'b', 42, []],
    [1, 'a', 42, own],
  ]
  expect(await read('orders')).toEqual(back)
  await replay()
  expect(await read('orders')).toEqual(back)
  await (await broker.producer()).send([letter('c', {})])
  await replay()
  expect((await read('orders')).map(([, value]) => value)).toEqual(['b', 'c', 'a'])
})

test('a letter that became one a second time loses the last facts only; what is no letter stays', async () => {
  const twice = withErrorFacts([['trace', null]], FACTS)
  const foreign = { ...letter('x', {}), headers: [['__streams.errors.exception', bytes('E')]] as const }
  const { replay, read, lines } = await given({ orders: 1, dead: 1 }, [letter('a', {}, twice), foreign])
  await replay()
  expect(await read('orders')).toEqual([[0, 'a', 42, twice]])
  expect(lines.at(-1)).toBe('dead: 1 put back, 0 left out by the filter, 1 no dead letters')
})

test('a filter leaves others where they are, for another group to take', async () => {
  const { replay, read, lines } = await given({ orders: 1, dead: 1 }, [
    letter('a', { code: 'DESERIALISE' }),
    letter('b', {}),
  ])
  await replay({ filter: ['code=DESERIALISE', 'app!=other'] })
  expect((await read('orders')).map(([, value]) => value)).toEqual(['a'])
  expect(lines.at(-1)).toContain('1 put back, 1 left out by the filter')
  await replay({ group: 'rest', filter: ['code!=DESERIALISE'] })
  expect((await read('orders')).map(([, value]) => value)).toEqual(['a', 'b'])
})

test('to another topic, with fewer partitions', async () => {
  const { replay, read } = await given({ orders: 4, repaired: 2, dead: 1 }, [letter('a', { partition: 3 })])
  await replay({ to: 'repaired' })
  expect(await read('repaired')).toEqual([[1, 'a', 42, []]])
  expect(await read('orders')).toEqual([])
})

test('a dry run tells each, writes nothing and remembers nothing; text of a record cannot move the cursor', async () => {
  const hostile = { message: 'no\n\u001b[2J' } as object
  const { replay, read, lines } = await given({ orders: 1, dead: 1 }, [letter('a', hostile)])
  await replay({ isDryRun: true })
  expect(lines[0]).toBe('dead[0]@0 -> orders[0] OPERATOR_FAILED (process, mapValues): "no\\n\\u001b[2J"')
  expect(lines.at(-1)).toContain('1 would be put back')
  expect(await read('orders')).toEqual([])
  await replay()
  expect(await read('orders')).toHaveLength(1)
})

test('more letters than a transaction takes: a run that breaks off is gone on with', async () => {
  const count = 2_500
  const { replay, read, broker } = await given(
    { orders: 1, dead: 1 },
    Array.from({ length: count }, (_, n) => letter(`${n}`, {})),
  )
  let commits = 0
  const failing: Broker = {
    ...embeddedMethods(broker),
    async transactionalProducer(id) {
      const producer = await broker.transactionalProducer(id)
      return {
        close: () => producer.close(),
        async begin() {
          const transaction = await producer.begin()
          return {
            ...transaction,
            send: (records) => transaction.send(records),
            sendOffsets: (group, positions) => transaction.sendOffsets(group, positions),
            abort: () => transaction.abort(),
            commit: async () => {
              if (++commits === 2) throw new TidemarkError('BROKER_UNAVAILABLE', 'gone')
              return transaction.commit()
            },
          }
        },
      }
    },
  }
  await expect(replay({}, failing)).rejects.toMatchObject({ code: 'BROKER_UNAVAILABLE' })
  await replay()
  expect((await read('orders')).map(([, value]) => Number(value))).toEqual(Array.from({ length: count }, (_, n) => n))
})

/** The methods of a broker, bound: it is an instance of a class. */
function embeddedMethods(broker: Broker): Broker {
  return new Proxy(broker, {
    get: (target, name) => {
      const found = Reflect.get(target, name)
      return typeof found === 'function' ? found.bind(target) : found
    },
    ownKeys: (target) => [...Reflect.ownKeys(target), ...Reflect.ownKeys(Object.getPrototypeOf(target))],
    getOwnPropertyDescriptor: () => ({ enumerable: true, configurable: true }),
  })
}

test.each([
  ['a topic of letters', { orders: 1 }, 'UNKNOWN_TOPIC'],
  ['the topic where a record was read', { dead: 1 }, 'UNKNOWN_TOPIC'],
])('%s that is not there is named', async (_name, topics, code) => {
  const { broker, replay } = await given(
    topics as unknown as Record<string, number>,
    'dead' in topics ? [letter('a', {})] : [],
  )
  await expect(replay()).rejects.toMatchObject({ code })
  await broker.close()
})

test('a partition that its topic does not have any more is told, with what to do', async () => {
  const { replay } = await given({ orders: 1, dead: 1 }, [letter('a', { partition: 1 })])
  await expect(replay()).rejects.toThrow(/BAD_OPTION.*--to orders/)
})

test.each(['code', 'size=3', '=x'])('%j is no filter', (rule) => {
  expect(() => letterFilter([rule])).toThrow(/BAD_OPTION.*--filter/)
})

test('facts are read back; headers that only look like them are none', () => {
  expect(readErrorFacts(withErrorFacts([], FACTS))).toEqual({ own: [], facts: FACTS })
  expect(readErrorFacts([])).toBeUndefined()
  const headers = withErrorFacts([], FACTS)
  expect(readErrorFacts([...headers, ['more', null]])).toBeUndefined()
  expect(
    readErrorFacts(headers.map(([name, value]) => [name, name.endsWith('offset') ? bytes('x') : value])),
  ).toBeUndefined()
})
