/** What is known of a member when slots are spread. */
export interface SlotClaims {
  /** The slots that it has; one that two members claim stays with the first. */
  readonly owned: Iterable<number>
  /** Slots of which it has a copy of the state. */
  readonly warm?: readonly number[]
}

/**
 * Spreads slots over members: each member gets `floor` or `ceil` of slots / members, keeps what it had as far as that
 * allows, and gets what it has a copy of rather than something else. Equal input gives equal output on every machine.
 */
export function assignSlots<M>(
  slots: number,
  members: readonly M[],
  claimsOf: (member: M) => SlotClaims,
): Map<M, Set<number>> {
  const spread = new Map<M, Set<number>>(members.map((member) => [member, new Set<number>()]))
  if (members.length === 0) return spread
  const claims = new Map(members.map((member) => [member, claimsOf(member)]))
  const warmOf = (member: M) => claims.get(member)?.warm ?? []
  const floor = Math.floor(slots / members.length)
  let larger = slots % members.length
  const free = new Set(Array.from({ length: slots }, (_, slot) => slot))

  for (const [member, kept] of spread) {
    // Of what it can't keep all, it gives away rather what another one has a copy of.
    const wanted = (slot: number) => members.some((other) => other !== member && warmOf(other).includes(slot))
    const owned = [...(claims.get(member)?.owned ?? [])].sort((a, b) => Number(wanted(a)) - Number(wanted(b)) || a - b)
    for (const slot of owned) {
      if (!free.has(slot)) continue
      if (kept.size === floor && larger > 0) larger--
      else if (kept.size >= floor) break
      kept.add(slot)
      free.delete(slot)
    }
  }
  for (const room of [floor, floor + 1]) {
    for (const isWarm of [true, false]) {
      for (const [member, kept] of spread) {
        const warm = warmOf(member)
        for (const slot of free) {
          if (kept.size >= room || (room > floor && kept.size === floor && larger === 0)) break
          if (isWarm && !warm.includes(slot)) continue
          if (kept.size === floor) larger--
          kept.add(slot)
          free.delete(slot)
        }
      }
    }
  }
  return spread
}

/**
 * Who keeps copies of whose slots: for each slot so many members besides its owner, rather those that have one already, then those with the
 * fewest.
 */
export function assignStandbys<M>(
  assigned: ReadonlyMap<M, ReadonlySet<number>>,
  copies: number,
  warmOf: (member: M) => readonly number[],
): Map<M, Set<number>> {
  const spread = new Map<M, Set<number>>([...assigned.keys()].map((member) => [member, new Set<number>()]))
  const owned = [...assigned].flatMap(([owner, slots]) => [...slots].map((slot, turn) => ({ owner, slot, turn })))
  // One slot of each owner after the other: the copies of one owner's slots don't all go to the same member.
  for (const { owner, slot } of owned.sort((a, b) => a.turn - b.turn)) {
    const cold = (member: M) => (warmOf(member).includes(slot) ? 0 : 1)
    const load = (member: M) => spread.get(member)?.size ?? 0
    const others = [...spread.keys()].filter((member) => member !== owner)
    others.sort((a, b) => cold(a) - cold(b) || load(a) - load(b))
    for (const member of others.slice(0, copies)) spread.get(member)?.add(slot)
  }
  return spread
}
