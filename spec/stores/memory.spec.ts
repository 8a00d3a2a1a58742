import { memory } from '../../lib/stores/memory.js'
import { storeConformance } from '../../lib/testing/storeConformance.js'
import { assertLikeModel } from './storeModel.js'

describe('memory', () => {
  const options = { fresh: memory, reopen: (closed: ReturnType<typeof memory>) => closed }

  describe('keeps the contract of a store', () => {
    for (const law of storeConformance(options)) test(law.name, law.run)
  })

  test('holds what a map of maps does, after random commits, clears and restarts', () => assertLikeModel(options, 200))

  test('is not durable', () => {
    expect(memory()).toMatchObject({ name: 'memory', durable: false, shared: false })
  })
})
