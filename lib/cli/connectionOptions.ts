import { readFile } from 'node:fs/promises'
import { extname, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { KafkaOptions } from '../brokers/kafka.js'
import { TidemarkError } from '../record/errors.js'

/**
 * What is needed to reach the brokers. Passwords come from a file, which can be read-protected and may read the environment: an argument could be
 * seen by all who see the machine's processes.
 *
 * @param brokers `host:port`, separated by commas
 * @param file options of `kafka()`: JSON, or a module whose default export they are
 * @throws TidemarkError `BAD_OPTION`
 */
export async function connectionOptions(brokers: string | undefined, file: string | undefined): Promise<KafkaOptions> {
  const given = file === undefined ? {} : await optionsIn(file)
  const named = brokers === undefined ? given.brokers : brokers.split(',').map((one) => one.trim())
  if (named === undefined)
    throw new TidemarkError('BAD_OPTION', 'no brokers: pass --brokers host:port, or name them in --config')
  return { ...given, brokers: named }
}

async function optionsIn(file: string): Promise<Partial<KafkaOptions>> {
  let options: unknown
  try {
    options =
      extname(file) === '.json'
        ? JSON.parse(await readFile(file, 'utf8'))
        : ((await import(pathToFileURL(resolve(file)).href)) as { default: unknown }).default
  } catch (cause) {
    // Nothing of the content: it holds secrets.
    const reason = cause instanceof SyntaxError ? 'it is not well-formed' : (cause as Error).message
    throw new TidemarkError('BAD_OPTION', `the config ${file} can't be read: ${reason}`, {}, { cause })
  }
  if (typeof options === 'object' && options !== null) return options
  throw new TidemarkError('BAD_OPTION', `the config ${file} holds no options: export default { brokers, ssl, sasl }`)
}
