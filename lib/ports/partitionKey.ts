import type { TopicPartition } from './broker.js'

/** Topic and partition as one `Map` key; a topic's name can't hold a slash. */
export function partitionKey({ topic, partition }: TopicPartition): string {
  return `${topic}/${partition}`
}
