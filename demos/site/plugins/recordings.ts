import type { Plugin } from 'vite'
import { demo as clickstream } from '../../clickstream/demo.js'
import { demo as fraud } from '../../fraud/demo.js'
import { demo as orders } from '../../orders/demo.js'
import { recordDemo } from '../recordDemo.js'

const PREFIX = 'virtual:recording/'
const SERVED = '/@recording/'
const demos = [fraud, clickstream, orders]

/** `import url from 'virtual:recording/fraud'`: where the recorded topics of a demo are. They are made when the page is built. */
export function recordings(): Plugin {
  let isServed = false
  const named = (name: string) => demos.find((demo) => demo.name === name)
  return {
    name: 'recordings',
    configResolved({ command }) {
      isServed = command === 'serve'
    },
    resolveId: (id) => (id.startsWith(PREFIX) ? `\0${id}` : undefined),
    async load(id) {
      if (!id.startsWith(`\0${PREFIX}`)) return
      const demo = named(id.slice(PREFIX.length + 1))
      if (demo === undefined) return
      if (isServed) return `export default ${JSON.stringify(`${SERVED}${demo.name}`)}`
      const reference = this.emitFile({
        type: 'asset',
        name: `${demo.name}.jsonl.gz`,
        source: await recordDemo(demo),
      })
      return `export default import.meta.ROLLUP_FILE_URL_${reference}`
    },
    configureServer({ middlewares }) {
      middlewares.use(SERVED, async (request, response, next) => {
        const demo = named((request.url ?? '').slice(1))
        if (demo === undefined) return next()
        response.setHeader('content-type', 'application/gzip')
        response.end(await recordDemo(demo))
      })
    },
  }
}
