import { TidemarkError } from '../../record/errors.js'

/** A topic that has to keep the last record of each key would lose some. */
export const notCompacted = (broker: string, topic: string, policy: string) =>
  new TidemarkError(
    'TOPIC_CONFIG',
    `${broker}: ${topic} has to keep the last record of each key, and has cleanup.policy=${policy}; set it to compact, or delete the topic if what is in it isn't needed`,
    { topic },
  )
