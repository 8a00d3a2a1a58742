import { describe } from '@jest/globals'

/**
 * The brokers for specs that need real ones: those in `KAFKA_BROKERS`, else one that this run starts. None if there
 * is no Java; then the run says so once, or fails in CI.
 */
async function testKafka(): Promise<string[] | undefined> {
  if (process.env.KAFKA_BROKERS) return process.env.KAFKA_BROKERS.split(',')
  if (!process.env.SPEC_KAFKA) throw new Error('jest must run with spec/kafka/globalSetup.mjs as globalSetup')
  const answer = (await (await fetch(process.env.SPEC_KAFKA)).json()) as { brokers?: string; error?: string }
  if (answer.error) throw new Error(answer.error)
  return answer.brokers?.split(',')
}

/** A `describe` that gets the brokers, or is skipped with all its tests. */
export async function describeKafka(name: string, body: (brokers: string[]) => void): Promise<void> {
  const brokers = await testKafka()
  if (brokers) describe(name, () => body(brokers))
  else describe.skip(name, () => body([]))
}
