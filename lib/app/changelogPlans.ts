import type { Position } from '../ports/broker.js'
import type { Manifest } from './checkpoint.js'
import { dictionary } from './dictionary.js'
import type { StateShape } from './stateShape.js'
import type { Orphan, StoredPlan } from './storedPlan.js'

/** What a state's changelog says of the checkpoint that last wrote to it. */
export interface ChangelogPart {
  readonly state: string
  readonly manifest: Manifest
  readonly plan: StoredPlan
}

/**
 * What the changelogs of several states say together. Those of one task say the same; one that was left out by a later plan says less, and states that
 * come together from different tasks say what each of these knew. Offsets only rise: the highest of a topic is the one that counts, and a state that isn't
 * as of that one has been left out while records were handled.
 *
 * @returns undefined if there are none
 */
export function mergeParts(parts: readonly ChangelogPart[]): { manifest: Manifest; plan: StoredPlan } | undefined {
  const ordered = [...parts].sort((a, b) => (a.manifest.checkpoint ?? 0) - (b.manifest.checkpoint ?? 0))
  const newest = ordered.at(-1)
  if (newest === undefined) return undefined
  const positions = new Map<string, Position>()
  for (const { manifest, plan } of ordered) {
    for (const position of [...manifest.positions, ...plan.left]) {
      const known = positions.get(position.topic)
      if (known === undefined || known.offset < position.offset) positions.set(position.topic, position)
    }
  }
  const states = dictionary<StateShape>()
  const orphans = dictionary<Orphan>()
  for (const { state, manifest, plan } of ordered) {
    const shape = plan.states[state]
    if (shape === undefined) continue
    const isCurrent = manifest.positions.every(
      ({ topic, offset }) => !shape.topics.includes(topic) || positions.get(topic)?.offset === offset,
    )
    if (isCurrent) states[state] = shape
    else orphans[state] = { ...shape, at: manifest.positions }
  }
  const manifests = ordered.map(({ manifest }) => manifest)
  return {
    manifest: {
      ...newest.manifest,
      positions: [...positions.values()],
      sources: dictionary(...manifests.map(({ sources }) => sources)),
      streamTimes: dictionary(...manifests.map(({ streamTimes }) => streamTimes)),
      times: dictionary(...manifests.map(({ times }) => times)),
    },
    plan: {
      ...newest.plan,
      topics: dictionary(...ordered.map(({ plan }) => plan.topics)),
      states,
      orphans,
    },
  }
}
