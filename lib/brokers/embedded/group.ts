import type { ConsumerOptions } from '../../ports/broker.js'
import { assignSlots, assignStandbys } from '../rules/assignSlots.js'
import { fingerprint, planMismatch } from '../rules/planMismatch.js'
import { Member } from './member.js'
import type { Topics } from './topics.js'

/** The members of one group. Its oldest member is the leader, whose plan the others must have. */
export class Group {
  private members: Member[] = []
  private isStale = false
  private isRebalancing = false

  constructor(
    private readonly topics: Topics,
    private readonly soon: (callback: () => void) => void,
  ) {}

  join(options: ConsumerOptions): Member {
    const member = new Member(options, this.topics, this.soon, this)
    const leader = this.members[0]?.options ?? options
    const mine = fingerprint(options.plan, options.slots)
    const leading = fingerprint(leader.plan, leader.slots)
    if (mine === leading) {
      this.members.push(member)
      this.rebalance()
    } else {
      this.soon(() => member.fail(planMismatch(options.group, mine, leading)))
    }
    return member
  }

  leave(member: Member): void {
    if (!this.members.includes(member)) return
    this.members = this.members.filter((other) => other !== member)
    this.rebalance()
  }

  private rebalance(): void {
    this.isStale = true
    if (this.isRebalancing) return
    this.isRebalancing = true
    this.nextRound()
  }

  /** In a call of its own: who has just joined has got their consumer by then, through whatever broker they came. */
  private nextRound(): void {
    this.soon(async () => {
      await this.spread()
      if (this.isStale) this.nextRound()
      else this.isRebalancing = false
    })
  }

  /** Takes slots from those that have too many, then hands out the free ones. */
  private async spread(): Promise<void> {
    this.isStale = false
    const members = this.members
    const warmOf = ({ options }: Member) => options.warm?.() ?? []
    const spread = assignSlots(this.slotsInUse(), members, (member) => ({ owned: member.slots, warm: warmOf(member) }))
    const slotsOf = (member: Member) => spread.get(member) as Set<number>
    await Promise.all(members.map((member) => member.release(slotsOf(member))))
    if (this.isStale) return
    await Promise.all(members.map((member) => member.take(slotsOf(member))))
    const standbys = assignStandbys(spread, members[0]?.options.standbys ?? 0, warmOf)
    for (const [member, slots] of standbys) member.options.listener.standby?.([...slots])
    for (const member of members) member.options.listener.settled?.()
  }

  /** Slots beyond the largest topic's partitions would be empty. */
  private slotsInUse(): number {
    const options = this.members[0]?.options
    if (!options) return 0
    return Math.min(options.slots, Math.max(0, ...this.topics.counts(options.topics).values()))
  }
}
