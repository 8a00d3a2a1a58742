import { setTimeout as pause } from 'node:timers/promises'
import type { Fleet, Machine } from './fleet.js'
import type { Server } from './server.js'
import { SESSION_TIMEOUT_MS } from './topology.js'

/** What can happen. */
const KINDS = ['kill', 'stop', 'freeze', 'add', 'broker stop', 'broker kill'] as const
type Kind = (typeof KINDS)[number]

export interface Fault {
  readonly kind: Kind
  /** When, in ms since the epoch. */
  readonly at: number
  /** To whom, and what else was decided. */
  readonly what: string
}

/** How many processes there are without additions. */
export const PROCESSES = 3
const MOST = 5
/** How long the app may take to go on after the broker has come back, until something else happens to it. */
const RECOVERY_MS = 20_000
/** After a first round of one each, in this proportion. */
const ROUND: readonly Kind[] = [...KINDS, 'kill', 'kill', 'kill', 'freeze', 'freeze', 'freeze', 'stop', 'stop', 'add']

export interface ChaosOptions {
  readonly fleet: Fleet
  readonly server: Server
  readonly random: () => number
  readonly seconds: number
}

/** Lets things happen for so long, a first round of all kinds at least, and undoes them in the end. */
export async function chaos({ fleet, server, random, seconds }: ChaosOptions): Promise<Fault[]> {
  const faults: Fault[] = []
  const until = Date.now() + seconds * 1_000
  const between = (low: number, high: number) => low + random() * (high - low)
  const pick = <T>(all: readonly T[]): T | undefined => all[Math.floor(random() * all.length)]
  const shuffled = (kinds: readonly Kind[]) =>
    kinds
      .map((kind) => ({ kind, place: random() }))
      .sort((a, b) => a.place - b.place)
      .map(({ kind }) => kind)
  /** What goes on by itself meanwhile. */
  const undone: Promise<void>[] = []

  const note = (kind: Kind, what: string) => {
    faults.push({ kind, at: Date.now(), what })
    console.log(
      `${((Date.now() - (until - seconds * 1_000)) / 1_000).toFixed(1).padStart(7)} s  ${kind.padEnd(11)}  ${what}`,
    )
  }

  /** It comes back after a while, perhaps on a new machine, unless there are more than enough. */
  async function comeBack(machine: Machine, afterMs: number, isNew: boolean): Promise<void> {
    await pause(afterMs)
    if (fleet.machines.filter(({ isUp }) => isUp).length < PROCESSES || random() < 0.5) await machine.start(isNew)
  }

  async function happen(kind: Kind): Promise<void> {
    if (kind === 'broker stop' || kind === 'broker kill') {
      const downMs = between(0, 2_000)
      note(kind, `down for ${Math.round(downMs)} ms and its start`)
      await server.restart(kind === 'broker kill' ? 'SIGKILL' : 'SIGTERM', downMs)
      // What comes next is to meet an app at work.
      const deadline = Date.now() + RECOVERY_MS
      while (!fleet.awake.some(({ progress }) => progress?.state === 'running') && Date.now() < deadline)
        await pause(100)
    } else if (kind === 'add') {
      const [idle] = fleet.machines.filter(({ isUp }) => !isUp)
      if (fleet.machines.length >= MOST && idle === undefined) return happen('kill')
      note(kind, `process ${idle?.number ?? fleet.machines.length + 1}`)
      if (idle !== undefined && fleet.machines.length >= MOST) await idle.start(true)
      else await fleet.add()
    } else {
      const machine = pick(fleet.awake)
      // All are down or frozen: that is fault enough.
      if (machine === undefined) return
      if (kind === 'freeze') {
        const ms = SESSION_TIMEOUT_MS + between(1_000, 4_000)
        note(kind, `process ${machine.number} for ${Math.round(ms)} ms`)
        undone.push(machine.freeze(ms / 1_000))
      } else {
        const isNew = random() < 0.35
        const afterMs = between(0, 2_000)
        note(kind, `process ${machine.number}${isNew ? ', which loses its folder' : ''}`)
        const ended = machine.end(kind === 'kill' ? 'SIGKILL' : 'SIGTERM')
        undone.push(ended.then(() => comeBack(machine, afterMs, isNew)))
      }
    }
  }

  // Freezes take longest, so that the first one begins the first round.
  let round = shuffled(KINDS).sort((a, b) => Number(b === 'freeze') - Number(a === 'freeze'))
  for (let happened = 0; happened < KINDS.length || Date.now() < until; happened++) {
    await pause(between(500, seconds < 60 ? 2_500 : 6_000))
    if (round.length === 0) round = shuffled(ROUND)
    await happen(round.shift() as Kind)
  }
  await Promise.all(undone)
  for (const machine of fleet.machines) {
    if (fleet.machines.filter(({ isUp }) => isUp).length >= PROCESSES) break
    if (!machine.isUp) await machine.start()
  }
  return faults
}
