// The process that soakKill.ts kills: the fraud app on Kafka, telling its parent how far it is.
import { aggregate, count, createApp, sum, toTable } from 'tidemark'
import { kafka } from 'tidemark/kafka'
import { level } from 'tidemark/level'
import { fraud } from './pipeline.js'

/** What it tells, twenty times a second. */
export interface Progress {
  readonly state: string
  /** Records handled in this life. */
  readonly handled: number
  readonly lag: number
  readonly checkpoints: number
}

export interface Total {
  readonly transactions: number
  readonly amount: number
}

/** Its answer to `finish`. */
export interface Result {
  /** The app's table, row by row. */
  readonly spend: readonly (readonly [user: string, cents: number])[]
  readonly totals: readonly (readonly [user: string, total: Total])[]
}

const [, , brokers, state] = process.argv as [string, string, string, string]
const app = createApp({
  id: 'fraud-soak',
  // The shortest that brokers allow by default: so long the group waits for a member that was killed.
  broker: kafka({ brokers: brokers.split(','), sessionTimeout: '6s' }),
  store: level(state),
  // Often, so that kills come in the midst of a checkpoint too.
  commitInterval: '200ms',
})
// Without an idle time-out: the wall clock has no say in what the table holds.
const { payments, spend } = fraud(app, { watermark: { maxOutOfOrderness: '1m' } })
// The spend table forgets after a day what a kill did to it; this one doesn't.
const totals = toTable(
  'totals',
  payments.pipe(aggregate({ transactions: count(), amount: sum(({ value }) => value.amount) }, { name: 'totals' })),
)
app.run('totals', totals.changes())

app.errors$.subscribe((error) => {
  console.error(`worker: ${error.message}`)
  if (app.stats().state === 'failed') process.exit(1)
})
setInterval(() => {
  const { state, tasks, checkpoints } = app.stats()
  const sum = (numbers: number[]) => numbers.reduce((total, n) => total + n, 0)
  const progress: Progress = {
    state,
    handled: sum(tasks.filter(({ task }) => task.startsWith('0_')).map(({ records }) => records)),
    lag: sum(tasks.map(({ lag }) => lag)),
    checkpoints,
  }
  process.send?.(progress)
}, 50)
process.on('message', async () => {
  const result: Result = { spend: [...spend.entries()], totals: [...totals.entries()] }
  await app.stop()
  process.send?.(result, () => process.exit())
})
process.on('disconnect', () => process.exit(1))
await app.start()
