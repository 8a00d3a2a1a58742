/**
 * Spreads slots over members: each member gets `floor` or `ceil` of slots / members, keeps what it had as far as that
 * allows, and equal input gives equal output on every machine.
 *
 * @param owned which slots each member has had so far; one that two members claim stays with the first
 */
export function assignSlots<M>(
  slots: number,
  members: readonly M[],
  owned: (member: M) => Iterable<number>,
): Map<M, Set<number>> {
  const spread = new Map<M, Set<number>>(members.map((member) => [member, new Set<number>()]))
  if (members.length === 0) return spread
  const floor = Math.floor(slots / members.length)
  let larger = slots % members.length
  const free = new Set(Array.from({ length: slots }, (_, slot) => slot))

  for (const [member, kept] of spread) {
    for (const slot of [...owned(member)].sort((a, b) => a - b)) {
      if (!free.has(slot)) continue
      if (kept.size === floor && larger > 0) larger--
      else if (kept.size >= floor) break
      kept.add(slot)
      free.delete(slot)
    }
  }
  for (const room of [floor, floor + 1]) {
    for (const kept of spread.values()) {
      for (const slot of free) {
        if (kept.size >= room) break
        kept.add(slot)
        free.delete(slot)
      }
    }
  }
  return spread
}
