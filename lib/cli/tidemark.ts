import { Command } from 'commander'
import { kafka } from '../brokers/kafka.js'
import { connectionOptions } from './connectionOptions.js'
import { letterFilter } from './letterFilter.js'
import { recordToFile } from './recordToFile.js'
import { replayDeadLetters } from './replayDeadLetters.js'

interface ReplayFlags {
  readonly brokers?: string
  readonly config?: string
  readonly from: string
  readonly to?: string
  readonly group?: string
  readonly filter?: readonly string[]
  readonly dryRun?: true
}

interface RecordFlags {
  readonly brokers?: string
  readonly config?: string
  readonly topics: string
  readonly to: string
  readonly from?: string
  readonly until?: string
  readonly follow?: true
}

const BROKERS = ['--brokers <host:port,...>', 'brokers to begin with; default: those of the config'] as const
const CONFIG = [
  '--config <file>',
  'options of kafka(), with ssl and sasl: JSON, or a module with a default export; default: $TIDEMARK_CONFIG',
] as const

/**
 * The command line.
 *
 * @param tell prints a line
 */
export function tidemark(tell: (line: string) => void = console.log): Command {
  const program = new Command('tidemark')
    .description('Event-time stream processing for RxJS: what there is to do from outside of an app')
    .helpCommand(false)
  program
    .command('replay-dead-letters')
    .description('puts dead letters back to where their records were read, each once')
    .option(...BROKERS)
    .option(...CONFIG)
    .requiredOption('--from <topic>', 'the topic of dead letters')
    .option('--to <topic>', 'another topic than the one where they were read')
    .option('--group <name>', 'remembers how far it has come; default: <from>-replay')
    .option(
      '--filter <fact=value...>',
      'only those of which all of these hold; facts: code, stage, operator, topic, app, exception; != for all others',
    )
    .option('--dry-run', 'tells what would be done, and does nothing')
    .action(async ({ brokers, config, from, to, group, filter, dryRun }: ReplayFlags) => {
      const broker = kafka(await connectionOptions(brokers, config ?? process.env.TIDEMARK_CONFIG))
      const wanted = letterFilter(filter ?? [])
      await replayDeadLetters(
        broker,
        { from, to, group: group ?? `${from}-replay`, isWanted: wanted, isDryRun: dryRun === true },
        tell,
      )
    })
  program
    .command('record')
    .description('records topics to a file, which tidemark/replay opens')
    .option(...BROKERS)
    .option(...CONFIG)
    .requiredOption('--topics <topic,...>', 'the topics')
    .requiredOption('--to <file>', 'a file that is not there yet: JSON Lines, gzip')
    .option('--from <time>', 'only records of that time or later: ms since the epoch, or as in 2026-01-31T12:00:00Z')
    .option('--until <time>', 'only records before that time')
    .option('--follow', 'goes on with what is written meanwhile, until Ctrl-C')
    .action(async ({ brokers, config, topics, to, from, until, follow }: RecordFlags) => {
      const broker = kafka(await connectionOptions(brokers, config ?? process.env.TIDEMARK_CONFIG))
      const ending = new AbortController()
      const end = () => ending.abort()
      for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, end)
      try {
        await recordToFile(broker, { topics, to, from, until, follow: follow === true, signal: ending.signal }, tell)
      } finally {
        for (const signal of ['SIGINT', 'SIGTERM'] as const) process.off(signal, end)
      }
    })
  return program
}
