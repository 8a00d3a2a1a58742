// One process of the app under test, which fleet.ts starts and lets happen to it what does.
import { createApp, type Guarantee } from 'tidemark'
import { kafka } from 'tidemark/kafka'
import { level } from 'tidemark/level'
import { operators, SESSION_TIMEOUT_MS, topology } from './topology.js'

/** What it tells, four times a second and when its state changes. */
export interface Progress {
  readonly state: string
  readonly tasks: number
  /** Records that its tasks have still to handle. */
  readonly lag: number
}

/** Why it ended by itself. */
export interface Ended {
  readonly because: string
}

/** Its answer to `why`: its figures, and what holds back time. */
export interface Reasons {
  readonly reasons: string
}

const [, , brokers, folder, guarantee] = process.argv as [string, string, string, string, Guarantee]
const app = createApp({
  id: 'soak',
  broker: kafka({ brokers: brokers.split(','), sessionTimeout: SESSION_TIMEOUT_MS }),
  store: level(folder),
  guarantee,
  commitInterval: '200ms',
})
topology(app)

const log = (text: string) => console.log(`${new Date().toISOString()} ${text}`)
const tell = (message: Progress | Ended | Reasons, then: () => void = () => {}) =>
  process.connected ? process.send?.(message, then) : then()

function progress(): Progress {
  const { state, tasks } = app.stats()
  return { state, tasks: tasks.length, lag: tasks.reduce((sum, { lag }) => sum + lag, 0) }
}

app.state$.subscribe((state) => {
  log(state)
  tell({ ...progress(), state })
})
app.errors$.subscribe((error) => {
  log(`${error.message}\n${error.stack}`)
  if (app.stats().state === 'failed') tell({ because: error.message }, () => process.exit(1))
})
setInterval(() => tell(progress()), 250)
process.on('SIGTERM', async () => {
  await app.stop()
  process.exit()
})
process.on('message', () => {
  const stats = JSON.stringify(app.stats(), (_, value) => (value === Number.NEGATIVE_INFINITY ? 'none' : value), 2)
  tell({ reasons: [stats, ...operators.map((operator) => `${app.explain({ operator })}`)].join('\n') })
})
process.on('disconnect', () => process.exit(1))
app.start().catch((error) => {
  log(`start: ${error.stack}`)
  tell({ because: error.message }, () => process.exit(1))
})
