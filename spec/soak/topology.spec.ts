import { testApp } from '../../lib/testing/testApp.js'
import { Comparison } from '../../soak/comparison.js'
import { lastPayment, type Payment, payments, shopVersions } from '../../soak/input.js'
import { oracle } from '../../soak/oracle.js'
import { inputs, outputs, topology } from '../../soak/topology.js'

const COUNT = 3_000
const PARTITIONS = 3

test('in two lives on the embedded broker, the topology writes what the plain loops say', async () => {
  const topics = [...Object.values(inputs), ...Object.values(outputs)]
  const t = await testApp(topology, { topics: Object.fromEntries(topics.map((topic) => [topic, PARTITIONS])) })
  try {
    const written = payments(5, COUNT)
    const versions = shopVersions(5, COUNT)
    const lineOf = (payment: Payment) => ({ key: payment.user, value: payment })
    await t.send(
      inputs.shops,
      versions.map(({ shop, tier, time }) => ({ key: shop, value: tier && { tier }, timestamp: time })),
    )
    await t.send(inputs.payments, written.slice(0, COUNT / 2).map(lineOf))
    await t.settle()
    await t.send(inputs.payments, written.slice(COUNT / 2, COUNT / 2 + 500).map(lineOf))
    await t.settle({ checkpoint: false })
    await t.crash()
    await t.restart()
    await t.send(inputs.payments, written.slice(COUNT / 2 + 500).map(lineOf))
    for (let partition = 0; partition < PARTITIONS; partition++)
      await t.send(inputs.payments, { ...lineOf(lastPayment(COUNT)), partition })
    await t.settle()
    await t.advance('1s')

    const expected = oracle(written, versions)
    const comparison = new Comparison(expected)
    for (const topic of Object.values(outputs)) {
      for (const { key, value, partition, offset } of await t.records(topic))
        comparison.add({ topic, partition, offset, key, value: JSON.stringify(value), at: 0 })
    }
    expect(comparison.differences).toEqual([])
    for (const topic of Object.values(outputs)) expect(expected.get(topic)?.size).toBeGreaterThan(20)
    const priced = [...(expected.get(outputs.priced)?.values() ?? [])].flat()
    expect(priced.some((line) => line.includes('"tier":null'))).toBe(true)
    expect(priced.some((line) => line.includes('"tier":"gold"'))).toBe(true)
  } finally {
    await t.stop()
  }
})
