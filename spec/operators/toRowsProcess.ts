import { kafka } from '../../lib/brokers/kafka.js'
import { aggregate, createApp, embedded, json, sum, toRows } from '../../lib/index.js'
import { level } from '../../lib/stores/level.js'
import { postgres } from '../../lib/stores/postgres.js'

/*
 * A process of its own for toRows.spec.ts and toRows.kafka.spec.ts: writes each payment of a topic to the table `ledger`, which takes none twice, and each account's
 * balance to `balances`, until it is killed. It says `running` once it has tasks, and how it ended, if it failed.
 */
const [connectionString, id, topic, where] = process.argv.slice(2) as [string, string, string, string]
// Brokers, or the folder of an embedded one.
const broker = where.includes(':')
  ? kafka({ brokers: where.split(','), sessionTimeout: '2s' })
  : embedded({ store: level(where, { exclusive: true }) })
const db = postgres({ connectionString, schema: id })
const app = createApp({ id, broker, store: db, commitInterval: '20ms' })
const payments = app.stream<number>(topic, { value: json() })
app.run(
  'balances',
  payments.pipe(
    // Slowly, one by one: kills shall come in the midst of it.
    toRows(db, async (tx, records) => {
      for (const { partition, offset, key, value } of records)
        await tx.query(`INSERT INTO "${id}".ledger VALUES ($1, $2, $3, $4)`, [partition, offset, key, value])
    }),
    aggregate(
      sum(({ value }) => value),
      { name: 'balances' },
    ),
    toRows(db, async (tx, records) => {
      const last = new Map(records.map(({ key, value }) => [key, value]))
      await tx.query(
        `INSERT INTO "${id}".balances SELECT * FROM unnest($1::text[], $2::int[])
         ON CONFLICT (account) DO UPDATE SET balance = excluded.balance`,
        [[...last.keys()], [...last.values()]],
      )
    }),
  ),
)
app.errors$.subscribe(({ code }) => {
  console.log(code)
  if (app.stats().state === 'failed') process.exit(1)
})
let tasks = 0
setInterval(() => {
  const before = tasks
  tasks = app.stats().tasks.length
  // A member begins without any, until others have let go of theirs.
  if (before === 0 && tasks > 0) console.log('running')
}, 5)
await app.start()
