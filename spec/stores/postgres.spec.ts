import type { StoreAdapter } from '../../lib/ports/store.js'
import { postgres } from '../../lib/stores/postgres.js'
import { storeConformance } from '../../lib/testing/storeConformance.js'
import { describePostgres } from '../postgres/testPostgres.js'
import { assertLikeModel } from './storeModel.js'

await describePostgres('postgres', (server) => {
  let schemas = 0
  const open = (schema: string) => postgres({ connectionString: server().connectionString, schema })
  const options = {
    fresh: () => open(`schema ${schemas++}`),
    reopen: (closed: StoreAdapter) => open(closed.name.slice('postgres '.length)),
  }

  describe('keeps the contract of a store', () => {
    for (const law of storeConformance(options)) test(law.name, law.run)
  })

  test(
    'holds what a map of maps does, after random commits, clears and restarts',
    () => assertLikeModel(options, 20),
    60_000,
  )
})
