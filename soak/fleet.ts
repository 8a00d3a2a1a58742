import { type ChildProcess, fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { openSync } from 'node:fs'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Guarantee } from 'tidemark'
import type { Ended, Progress, Reasons } from './worker.js'

const START = new URL('./worker.ts', import.meta.url)
const AGAIN_MS = 500
const STOP_MS = 60_000

/** One place for a process, with a folder of its own: lives follow each other there. */
export class Machine {
  progress: Progress | undefined
  isFrozen = false
  private child: ChildProcess | undefined
  private lives = 0

  constructor(
    readonly number: number,
    private readonly fleet: Fleet,
  ) {}

  get isUp(): boolean {
    return this.child !== undefined
  }

  /** Begins a life, after wiping the folder if this is to be a new machine. */
  async start(isNew = false): Promise<void> {
    if (this.isUp) return
    const { dir, brokers, guarantee, starts, pauses, ended } = this.fleet
    const folder = join(dir, `state-${this.number}`)
    if (isNew) await rm(folder, { recursive: true, force: true })
    const log = openSync(join(dir, 'logs', `process-${this.number}-life-${++this.lives}.log`), 'w')
    const startedAt = Date.now()
    let pausedAt: number | undefined
    let hasRun = false
    const child = fork(START, [brokers, folder, guarantee], {
      execArgv: ['--import', 'tsx'],
      stdio: ['ignore', log, log, 'ipc'],
    })
    this.child = child
    this.progress = undefined
    child.on('message', (message: Progress | Ended | Reasons) => {
      if ('because' in message) ended.push(message.because)
      if (!('state' in message)) return
      if (message.state === 'running') {
        if (!hasRun) starts.push(Date.now() - startedAt)
        else if (pausedAt !== undefined) pauses.push(Date.now() - pausedAt)
        hasRun = true
        pausedAt = undefined
      } else if (message.state === 'rebalancing') pausedAt ??= Date.now()
      this.progress = message
    })
    child.on('exit', () => {
      // It ended by itself: whoever watches over processes starts it again.
      if (this.child !== child) return
      this.child = undefined
      setTimeout(() => {
        if (!this.isUp && this.fleet.isOpen) void this.start()
      }, AGAIN_MS)
    })
  }

  /** SIGKILL ends it at once; SIGTERM lets it finish what it has begun, for which it has a minute. */
  async end(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    const { child } = this
    if (child === undefined) return
    this.child = undefined
    if (child.exitCode !== null || child.signalCode !== null) return
    const exited = once(child, 'exit')
    child.kill(signal)
    const force = setTimeout(() => {
      this.fleet.stuck.push(this.number)
      child.kill('SIGKILL')
    }, STOP_MS)
    await exited
    clearTimeout(force)
  }

  /** Stops its clock for that long. A shell does it, so that it goes on even if this process ends meanwhile. */
  async freeze(seconds: number): Promise<void> {
    const pid = this.child?.pid
    if (pid === undefined) return
    this.isFrozen = true
    const shell = spawn('/bin/sh', ['-c', `kill -STOP ${pid}; sleep ${seconds}; kill -CONT ${pid}`], {
      stdio: 'ignore',
    })
    await once(shell, 'exit')
    this.isFrozen = false
  }

  /** What it says when it is asked why nothing comes. */
  async reasons(): Promise<string> {
    const { child } = this
    if (child === undefined) return 'it is down'
    return new Promise((resolve) => {
      const giveUp = setTimeout(() => resolve('it does not answer'), 5_000)
      child.on('message', (message: Progress | Ended | Reasons) => {
        if (!('reasons' in message)) return
        clearTimeout(giveUp)
        resolve(message.reasons)
      })
      child.send('why')
    })
  }
}

/** The processes of the app. */
export class Fleet {
  readonly machines: Machine[] = []
  isOpen = true
  /** Of each life, from its start to its first task, in ms. */
  readonly starts: number[] = []
  /** How long processes that had run were without tasks, in ms. */
  readonly pauses: number[] = []
  /** The errors by which processes ended by themselves. */
  readonly ended: string[] = []
  /** Numbers of those that had to be killed as they didn't stop. */
  readonly stuck: number[] = []

  constructor(
    readonly brokers: string,
    readonly dir: string,
    readonly guarantee: Guarantee,
  ) {}

  async add(): Promise<Machine> {
    await mkdir(join(this.dir, 'logs'), { recursive: true })
    const machine = new Machine(this.machines.length + 1, this)
    this.machines.push(machine)
    await machine.start()
    return machine
  }

  /** Those that run and aren't frozen. */
  get awake(): Machine[] {
    return this.machines.filter(({ isUp, isFrozen }) => isUp && !isFrozen)
  }

  /** Lets all end as they are told to. */
  async close(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    this.isOpen = false
    await Promise.all(this.machines.map((machine) => machine.end(signal)))
  }
}
