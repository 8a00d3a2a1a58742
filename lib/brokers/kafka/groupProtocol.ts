import kafkajs from 'kafkajs'
import type { TopicPartition } from '../../ports/broker.js'
import { assignSlots, assignStandbys } from '../rules/assignSlots.js'

/** The name under which members find each other to be of one kind. */
export const PROTOCOL = 'tidemark-slots-1'

/** What a member tells the leader when it joins. */
export interface MemberWord {
  /** Its plan and slots, as text that must be the same for all. */
  readonly fingerprint: string
  /** The generation in which it was given its slots. */
  readonly generation: number
  /** Slots that it has and will give up only when told to. */
  readonly owned: readonly number[]
  /** Slots of which it has a copy of the state. */
  readonly warm: readonly number[]
}

/** What the leader tells a member. */
export interface LeaderWord {
  readonly slots: readonly number[]
  /** Slots of whose state it is to keep a copy. */
  readonly standby?: readonly number[]
  /** Set if the member is refused: the leader's fingerprint. */
  readonly mismatch?: string
}

const { MemberAssignment, MemberMetadata } = kafkajs.AssignerProtocol
const VERSION = 1

export function encodeMemberWord(topics: readonly string[], word: MemberWord): Buffer {
  return MemberMetadata.encode({ version: VERSION, topics: [...topics], userData: Buffer.from(JSON.stringify(word)) })
}

export function decodeMemberWord(metadata: Buffer): MemberWord {
  return JSON.parse(String(MemberMetadata.decode(metadata)?.userData)) as MemberWord
}

/** The partitions are there for tools that show groups; our members go by the slots. */
export function encodeLeaderWord(word: LeaderWord, partitions: readonly TopicPartition[]): Buffer {
  // Without a prototype: a topic may be called __proto__.
  const assignment: Record<string, number[]> = Object.create(null)
  for (const { topic, partition } of partitions) {
    assignment[topic] = [...(assignment[topic] ?? []), partition]
  }
  return MemberAssignment.encode({ version: VERSION, assignment, userData: Buffer.from(JSON.stringify(word)) })
}

/** An empty answer is what a member gets that joined too late for the leader to see it. */
export function decodeLeaderWord(assignment: Buffer): LeaderWord {
  const decoded = assignment.length === 0 ? null : MemberAssignment.decode(assignment)
  return decoded === null ? { slots: [] } : (JSON.parse(String(decoded.userData)) as LeaderWord)
}

/**
 * The leader's decision. Slots that are to move are first taken from their owner; it joins again when it has let go,
 * and only then the new owner gets them. So two members never have a slot at the same time.
 */
export function spreadSlots(
  slots: number,
  members: ReadonlyMap<string, MemberWord>,
  leaderId: string,
  copies = 0,
): Map<string, LeaderWord> {
  const fingerprint = members.get(leaderId)?.fingerprint as string
  const answers = new Map<string, LeaderWord>()
  const alike: string[] = []
  for (const [id, word] of [...members].sort(([a], [b]) => (a < b ? -1 : 1))) {
    if (word.fingerprint === fingerprint) alike.push(id)
    else answers.set(id, { slots: [], mismatch: fingerprint })
  }

  const owners = ownersOf(alike.map((id) => [id, members.get(id) as MemberWord]))
  const ownedBy = (id: string) => [...owners].filter(([, owner]) => owner === id).map(([slot]) => slot)
  const warmOf = (id: string) => members.get(id)?.warm ?? []
  const assigned = assignSlots(slots, alike, (id) => ({ owned: ownedBy(id), warm: warmOf(id) }))
  const standbys = assignStandbys(assigned, copies, warmOf)
  for (const [id, wanted] of assigned) {
    const standby = [...(standbys.get(id) ?? [])]
    answers.set(id, {
      slots: [...wanted].filter((slot) => (owners.get(slot) ?? id) === id),
      ...(standby.length > 0 && { standby }),
    })
  }
  return answers
}

/** Who has each slot: of several that claim it, the one that was given it last. */
function ownersOf(members: readonly (readonly [id: string, word: MemberWord])[]): Map<number, string> {
  const owners = new Map<number, string>()
  for (const [id, { owned }] of [...members].sort(([, a], [, b]) => a.generation - b.generation)) {
    for (const slot of owned) owners.set(slot, id)
  }
  return owners
}
