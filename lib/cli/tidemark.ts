import { Command } from 'commander'
import { kafka } from '../brokers/kafka.js'
import { connectionOptions } from './connectionOptions.js'
import { letterFilter } from './letterFilter.js'
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
    .option('--brokers <host:port,...>', 'brokers to begin with; default: those of the config')
    .option(
      '--config <file>',
      'options of kafka(), with ssl and sasl: JSON, or a module with a default export; default: $TIDEMARK_CONFIG',
    )
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
  return program
}
