import { TidemarkError } from '../record/errors.js'
import type { TopicTarget } from '../task/definition.js'
import type { Node } from '../task/node.js'
import type { Plan } from './plan.js'

/** Where a sink, or the writing half of an exchange, writes. */
export function topicTarget(node: Node, plan: Plan, partitionsOf: (topic: string) => number): TopicTarget {
  const { role } = node.definition
  if (role?.is === 'sink') return { topic: role.topic, partitions: partitionsOf(role.topic), keySerde: role.key }
  if (role?.is !== 'writer')
    throw new TidemarkError('NOT_PLANNED', `${node.operator} writes to no topic`, { operator: node.operator })
  const exchange = role.exchange()
  for (const sub of plan.subTopologies) {
    const source = sub.sources.find((other) => other.definition === exchange)
    if (source !== undefined)
      return {
        topic: source.topic,
        partitions: partitionsOf(source.topic),
        keySerde: source.keySerde as TopicTarget['keySerde'],
      }
  }
  throw new TidemarkError('NOT_PLANNED', 'the reading half of this exchange is in no plan', {
    operator: node.operator,
  })
}
