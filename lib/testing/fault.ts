/** A call that the app under test has made of broker or store. */
export interface Operation {
  /** `transaction.commit`, `store.load`. */
  readonly name: string
  /** `member 1`, or `the broker`, which keeps its topics in the store. */
  readonly by: string
  readonly isOfMember: boolean
  /** How many records of the input had been sent. */
  readonly sent: number
  /** Whether the members were stopping, at the end. */
  readonly isLast: boolean
}

const RECORD_FAULTS = ['crash before', 'crash after', 'join after', 'leave after', 'kill after'] as const
const OPERATION_FAULTS = ['crash before', 'crash during', 'crash after', 'refuse', 'freeze before'] as const

/** What goes wrong in a run, and where: at a record of the input or at an operation, counted from 1. */
export type Fault =
  | { readonly what: (typeof RECORD_FAULTS)[number]; readonly of: 'record'; readonly at: number }
  | { readonly what: (typeof OPERATION_FAULTS)[number]; readonly of: 'operation'; readonly at: number }

export const kindOf = ({ what, of }: Fault): string => `${what} ${of}`
export const faultText = (fault: Fault): string => `${kindOf(fault)} ${fault.at}`

/** Calls that change something: a crash before them isn't one after them. */
const WRITES = [
  'store.commit',
  'store.clear',
  'broker.createTopics',
  'broker.transactionalProducer',
  'broker.consumer',
  'producer.begin',
  'producer.send',
  'transaction.send',
  'transaction.sendOffsets',
  'transaction.commit',
  'consumer.commit',
]

/** All that can go wrong in a run that made these operations, by kind. */
export function faultsOf(records: number, operations: readonly Operation[]): Fault[] {
  const faults: Fault[] = []
  for (const what of RECORD_FAULTS) for (let at = 1; at <= records; at++) faults.push({ what, of: 'record', at })
  for (const what of OPERATION_FAULTS)
    for (const [index, operation] of operations.entries())
      if (canHappen(what, operation)) faults.push({ what, of: 'operation', at: index + 1 })
  return faults
}

function canHappen(what: (typeof OPERATION_FAULTS)[number], { name, isOfMember, isLast }: Operation): boolean {
  if (what === 'crash after') return WRITES.includes(name)
  if (what === 'crash during') return name === 'store.commit'
  // Whoever stops a member waits for it.
  if (what === 'freeze before') return (isOfMember || name === 'store.commit') && !isLast
  return true
}

/** So many of them at most: as many of each kind, as far as there are, spread over the run. The seed decides which. */
export function sample(faults: readonly Fault[], max: number, seed: number): readonly Fault[] {
  const random = lcg(seed)
  const byKind = new Map<string, Fault[]>()
  for (const fault of faults) byKind.set(kindOf(fault), [...(byKind.get(kindOf(fault)) ?? []), fault])
  const kinds = [...byKind.values()].sort((a, b) => a.length - b.length)
  let room = max
  return kinds.flatMap((kind, index) => {
    const count = Math.min(kind.length, Math.floor(room / (kinds.length - index)))
    room -= count
    const step = kind.length / count
    return Array.from({ length: count }, (_, n) => kind[Math.floor((n + random()) * step)] as Fault)
  })
}

/** From 0 to 1, the same for the same seed. */
function lcg(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}
