// `npm run bench`: what Tidemark costs beside a loop written by hand. `npm run bench -- core` runs one part.
import { executable, isInstalled } from '../spec/browser.js'
import { benchCheckpoint } from './checkpoint.js'
import { benchCore } from './core.js'
import { benchDemos } from './demos.js'
import { benchKafka } from './kafka.js'
import { benchMarbles } from './marbles.js'
import { benchReplay } from './replay.js'
import { benchRestore } from './restore.js'
import { benchState } from './state.js'

const parts: Record<string, () => Promise<void>> = {
  core: benchCore,
  checkpoint: benchCheckpoint,
  demos: benchDemos,
  kafka: benchKafka,
  marbles: benchMarbles,
  replay: benchReplay,
  restore: benchRestore,
  state: benchState,
}
const IN_CHROMIUM = ['demos', 'marbles', 'replay']

const wanted = process.argv.slice(2)
for (const name of wanted)
  if (!(name in parts)) throw new Error(`no part ${name}; there are ${Object.keys(parts).join(', ')}`)
for (const [name, run] of Object.entries(parts)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue
  if (IN_CHROMIUM.includes(name) && !isInstalled)
    console.log(`\nNot measured: ${name}, as there is no Chromium at ${executable}.`)
  else await run()
}
