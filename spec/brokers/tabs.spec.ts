import { embedded } from '../../lib/brokers/embedded.js'
import { tabs } from '../../lib/brokers/tabs.js'
import { idb } from '../../lib/stores/idb.js'
import { memory } from '../../lib/stores/memory.js'

// What tabs do together is in tabs.chromium.spec.ts: it takes real ones.

test.each(['', undefined, 5])('the name %j is refused', (name) => {
  expect(() => tabs(name as string)).toThrow('BAD_OPTION: tabs: the name must be a non-empty string')
})

test.each([
  ['without a store', embedded()],
  ['with a store that ends with the tab', embedded({ store: memory() })],
])('a broker %s is not one to be hosted', (_what, broker) => {
  expect(() => tabs('shop', broker)).toThrow('BAD_OPTION: tabs: what is to be hosted must be in a store that outlives')
})

test('it has the store of what it hosts, so that an app’s state goes along', () => {
  const store = idb('shop')
  expect(tabs('shop', embedded({ store }))).toMatchObject({ name: 'tabs shop', durable: true, store })
  expect(tabs('shop').store).toBeUndefined()
})

test('where there are no Web Locks it says what it needs, and can be tried again', async () => {
  Object.defineProperty(globalThis, 'navigator', { value: undefined, configurable: true })
  const broker = tabs('shop')
  for (let attempt = 0; attempt < 2; attempt++)
    await expect(broker.connect()).rejects.toThrow('BROKER_UNAVAILABLE: tabs shop: it needs Web Locks')
})

test('nothing is asked of one that isn’t connected', async () => {
  for (const broker of [tabs('shop'), tabs('shop', embedded({ store: idb('shop') }))]) {
    await expect(broker.ranges('clicks')).rejects.toMatchObject({ code: 'BAD_STATE' })
    await expect(broker.producer()).rejects.toMatchObject({ code: 'BAD_STATE' })
    await broker.close()
  }
})
