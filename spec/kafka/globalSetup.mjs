// One broker for all specs of a run, started when the first spec asks for it (testKafka.ts), and by nobody else.
import { createServer } from 'node:http'
import { tsImport } from 'tsx/esm/api'

export default async function globalSetup() {
  let starting
  const start = async () => {
    const { hasJava, startKafka } = await tsImport('./launcher.ts', import.meta.url)
    if (await hasJava()) {
      const kafka = await startKafka()
      return { kafka, answer: { brokers: kafka.brokers } }
    }
    if (process.env.CI) return { answer: { error: 'no java: in CI the specs that need Kafka must run' } }
    process.stderr.write('\n!!! SKIPPED: all *.kafka.spec.ts, since there is no java here to run a broker with\n\n')
    return { answer: {} }
  }
  const server = createServer(async (_request, response) => {
    starting ??= start().catch((error) => ({ answer: { error: String(error?.stack ?? error) } }))
    response.end(JSON.stringify((await starting).answer))
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  server.unref()
  process.env.SPEC_KAFKA = `http://127.0.0.1:${server.address().port}`
  globalThis.stopSpecKafka = async () => {
    server.closeAllConnections()
    server.close()
    await (await starting)?.kafka?.stop()
  }
}
