import type { ErrorFacts } from '../app/errorHeaders.js'
import { TidemarkError } from '../record/errors.js'

const FACTS: readonly (keyof ErrorFacts)[] = ['code', 'stage', 'operator', 'topic', 'app', 'exception']

/**
 * Which dead letters are wanted.
 *
 * @param rules `code=DESERIALISE`, `operator!=prices`: all of them must hold
 * @throws TidemarkError `BAD_OPTION`
 */
export function letterFilter(rules: readonly string[]): (facts: ErrorFacts) => boolean {
  const parsed = rules.map((rule) => {
    const [, fact, not, value] = /^(\w+)(!?)=(.*)$/s.exec(rule) ?? []
    if (!FACTS.includes(fact as keyof ErrorFacts))
      throw new TidemarkError(
        'BAD_OPTION',
        `--filter takes fact=value or fact!=value, with one of ${FACTS.join(', ')}; got ${rule}`,
      )
    return { fact: fact as keyof ErrorFacts, isWanted: not === '', value }
  })
  return (facts) => parsed.every(({ fact, isWanted, value }) => (facts[fact] === value) === isWanted)
}
