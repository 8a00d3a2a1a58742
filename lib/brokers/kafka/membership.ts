import type { TidemarkError } from '../../record/errors.js'
import { fingerprint, planMismatch } from '../rules/planMismatch.js'
import type { ClusterClient, JoinAnswer } from './cluster.js'
import { errorType, isTransient } from './errors.js'
import {
  decodeLeaderWord,
  decodeMemberWord,
  encodeLeaderWord,
  encodeMemberWord,
  PROTOCOL,
  spreadSlots,
} from './groupProtocol.js'

const REBALANCE_TIMEOUT_MS = 60_000
const LONGEST_PAUSE_MS = 1_000
const OUTAGE_MS = 3_000
const CLOSE_DEADLINE_MS = 5_000

export interface MembershipOptions {
  readonly group: string
  readonly topics: readonly string[]
  readonly slots: number
  readonly plan: string
  readonly sessionTimeoutMs: number
  /** Slots that nobody else may have yet. */
  owned(): readonly number[]
  /** Slots of which it has a copy of the state. */
  warm(): readonly number[]
  /** How many others keep a copy of each slot's state. */
  readonly copies: number
  /** The slots that the member should have from now on. */
  target(slots: readonly number[]): void
  /** The slots of whose state it should keep a copy. */
  standby(slots: readonly number[]): void
  /** The group has gone on without this member: others have its slots. */
  lost(): void
  error(error: TidemarkError, fatal: boolean): void
}

/**
 * Keeps one member in a group: joins, stays alive, joins again when the group changes, and leads it when chosen. It goes
 * on while its owner takes partitions in or gives them up, however long that takes.
 */
export class Membership {
  memberId = ''
  generation = -1
  private isClosed = false
  private mustRejoin = false
  private wakeUp: () => void = () => {}
  private running: Promise<void> = Promise.resolve()

  constructor(
    /** Its requests wait while the group rebalances, so nobody else may use it for more than fetching. */
    private readonly own: ClusterClient,
    private readonly shared: ClusterClient,
    private readonly options: MembershipOptions,
  ) {}

  start(): void {
    this.running = this.run()
  }

  /** Joins again, so that the leader learns what has been given up. */
  rejoin(): void {
    this.mustRejoin = true
    this.wakeUp()
  }

  /** Leaves, so that others take over at once. */
  async close(): Promise<void> {
    this.isClosed = true
    this.wakeUp()
    if (this.memberId !== '') await this.leave()
    // A member that is just joining has no id to leave with yet: it leaves as soon as it has one.
    let timer: ReturnType<typeof setTimeout> | undefined
    const deadline = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, CLOSE_DEADLINE_MS)
    })
    await Promise.race([this.running, deadline])
    clearTimeout(timer)
  }

  private async run(): Promise<void> {
    let pauseMs = 0
    let failingSince: number | undefined
    while (!this.isClosed) {
      try {
        await this.join()
        pauseMs = 0
        failingSince = undefined
        await this.stayAlive()
      } catch (error) {
        const type = errorType(error)
        if (type === 'UNKNOWN_MEMBER_ID') {
          this.memberId = ''
          this.options.lost()
        } else if (isTransient(error)) {
          failingSince ??= Date.now()
          if (Date.now() - failingSince >= OUTAGE_MS) {
            failingSince = Number.POSITIVE_INFINITY
            this.report(error, false)
          }
        } else if (type !== 'REBALANCE_IN_PROGRESS' && type !== 'ILLEGAL_GENERATION') {
          this.report(error, true)
          return
        }
        await this.wait(pauseMs)
        pauseMs = Math.min(2 * pauseMs + 50, LONGEST_PAUSE_MS)
      }
    }
  }

  private async join(): Promise<void> {
    const { group, topics, plan, slots, sessionTimeoutMs } = this.options
    this.mustRejoin = false
    const word = {
      fingerprint: fingerprint(plan, slots),
      generation: this.generation,
      owned: this.options.owned(),
      warm: this.options.warm(),
    }
    const answer = await this.own.atCoordinator(group, (node) =>
      node.joinGroup({
        groupId: group,
        memberId: this.memberId,
        sessionTimeout: sessionTimeoutMs,
        rebalanceTimeout: REBALANCE_TIMEOUT_MS,
        groupProtocols: [{ name: PROTOCOL, metadata: encodeMemberWord(topics, word) }],
      }),
    )
    this.memberId = answer.memberId
    this.generation = answer.generationId
    if (this.isClosed) return this.leave()
    const groupAssignment = answer.memberId === answer.leaderId ? await this.lead(answer) : []
    const { memberAssignment } = await this.own.atCoordinator(group, (node) =>
      node.syncGroup({
        groupId: group,
        generationId: answer.generationId,
        memberId: answer.memberId,
        groupAssignment,
      }),
    )
    if (this.isClosed) return
    const { slots: given, standby = [], mismatch } = decodeLeaderWord(memberAssignment)
    if (mismatch === undefined) {
      this.options.target(given)
      this.options.standby(standby)
    } else this.end(planMismatch(group, word.fingerprint, mismatch))
  }

  private async lead({ members, leaderId }: JoinAnswer) {
    const { topics, slots } = this.options
    const counts = await this.shared.partitionCounts(topics)
    const words = new Map(members.map(({ memberId, memberMetadata }) => [memberId, decodeMemberWord(memberMetadata)]))
    const inUse = Math.min(slots, Math.max(0, ...counts.values()))
    return Array.from(spreadSlots(inUse, words, leaderId, this.options.copies), ([memberId, answer]) => {
      const partitions = [...counts].flatMap(([topic, count]) =>
        Array.from({ length: count }, (_, partition) => ({ topic, partition })).filter(({ partition }) =>
          answer.slots.includes(partition % slots),
        ),
      )
      return { memberId, memberAssignment: encodeLeaderWord(answer, partitions) }
    })
  }

  /** Sends heartbeats until the group changes. */
  private async stayAlive(): Promise<void> {
    const { group, sessionTimeoutMs } = this.options
    // Often enough that a change of the group is noticed at once; the session alone would need three.
    const intervalMs = Math.min(500, sessionTimeoutMs / 3)
    for (;;) {
      if (!this.mustRejoin) await this.wait(intervalMs)
      if (this.isClosed || this.mustRejoin) return
      await this.own.atCoordinator(group, (node) =>
        node.heartbeat({ groupId: group, groupGenerationId: this.generation, memberId: this.memberId }),
      )
    }
  }

  /** By the shared connection: a join may be waiting on the own one. A group that can't be reached forgets the member by itself. */
  private async leave(): Promise<void> {
    const request = { groupId: this.options.group, memberId: this.memberId }
    await this.shared.atCoordinator(this.options.group, (node) => node.leaveGroup(request)).catch(() => {})
  }

  private report(error: unknown, fatal: boolean): void {
    const ours = this.shared.error(`being a member of group ${this.options.group}`, error)
    if (fatal) this.end(ours)
    else if (!this.isClosed) this.options.error(ours, false)
  }

  private end(error: TidemarkError): void {
    if (!this.isClosed) this.options.error(error, true)
  }

  private wait(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms)
      this.wakeUp = () => {
        clearTimeout(timer)
        resolve()
      }
      if (this.isClosed) this.wakeUp()
    })
  }
}
