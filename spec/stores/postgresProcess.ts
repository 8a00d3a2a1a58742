import { loadAll } from '../../lib/ports/loadAll.js'
import { postgres } from '../../lib/stores/postgres.js'

/*
 * A process of its own for postgres.spec.ts. It takes a scope, and says on each line what it has done.
 * `count`: commits one counter to two scopes and, along with it, to the table `counted`, for ever.
 * `freeze`: stands still (SIGSTOP) in the midst of a commit; once it is woken, it says how that commit ended.
 */
const [connectionString, schema, mode] = process.argv.slice(2) as [string, string, string]
const store = postgres({ connectionString, schema })
await store.open('counter')
await store.claim?.('left')
const first = (await loadAll(store, 'left'))[0]?.[1]
console.log('open')
for (let n = first === undefined ? 1 : Number(Buffer.from(first).toString()) + 1; ; n++) {
  const entries = Array.from({ length: 200 }, (_, i) => [`key ${i}`, Buffer.from(`${n}`)] as const)
  const changes = ['left', 'right'].map((scope) => ({ scope, entries, reset: n % 5 === 0 }))
  try {
    await store.commit(changes, async (client) => {
      await client.query('INSERT INTO counted VALUES ($1)', [n])
      if (mode === 'freeze') {
        console.log('frozen')
        process.kill(process.pid, 'SIGSTOP')
      }
    })
    console.log(`${n}`)
  } catch (error) {
    console.log(`${error}`)
    process.exit()
  }
}
