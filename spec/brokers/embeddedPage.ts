import { embedded } from '../../lib/brokers/embedded.js'
import { memory } from '../../lib/stores/memory.js'
import { brokerConformance } from '../../lib/testing/brokerConformance.js'

/* The page of embedded.chromium.spec.ts. */
const plain = embedded()
const stored = embedded({ store: memory() })
const laws = { plain: brokerConformance(() => plain), stored: brokerConformance(() => stored) }

const page = {
  /** Runs all laws, and gives what went wrong. */
  async runLaws(kind: keyof typeof laws): Promise<string[]> {
    const failures: string[] = []
    for (const { name, run } of laws[kind]) {
      await run().catch((error) => failures.push(`${name}: ${error}`))
    }
    return failures
  },
}

export type EmbeddedPage = typeof page
Object.assign(globalThis, { broker: page })
