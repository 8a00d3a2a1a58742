import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { build } from 'esbuild'
import { CHAINS, CORPUS } from '../conformance/files.js'
import type { Answer, Order } from './worker.js'

type Given<Key extends string> = Extract<Answer, { readonly [K in Key]: unknown }>

/** How much longer than its own limit a test may be silent: it may not give way to its timer at all. */
const SILENCE_MS = 2_000
/** A worker that takes longer to begin is kept from it by what an earlier mutant has left running. */
const HEARING_MS = 10_000

/** What has noticed a mutant. */
export interface Killer {
  readonly test: number
  /** It did not fail: it did not end. */
  readonly isStuck: boolean
}

/** A worker that can be given one order at a time. One that no longer answers is replaced. */
export class Hand {
  private worker: Worker | undefined

  constructor(
    private readonly script: string,
    private readonly code: string,
  ) {}

  list = () => this.order({ do: 'list' }) as Promise<Given<'names'>>
  measure = (test: number) => this.order({ do: 'measure', test }) as Promise<Given<'error'>>

  /** Tries a mutant. @returns the test that it failed or never ended, if there is one */
  async try(mutant: number, tests: Extract<Order, { do: 'try' }>['tests']): Promise<Killer | undefined> {
    const answer = await this.order({ do: 'try', mutant, tests })
    if ('begins' in answer) return { test: answer.begins, isStuck: true }
    const { killedBy, isStuck } = answer as Given<'killedBy'>
    if (isStuck) await this.end()
    return killedBy === undefined ? undefined : { test: killedBy, isStuck }
  }

  async end(): Promise<void> {
    await this.worker?.terminate()
    this.worker = undefined
  }

  /** The answer; if the worker falls silent or ends before it gives one, the last test begun. One that never begins is replaced. */
  private order(order: Order): Promise<Answer> {
    const isNew = this.worker === undefined
    this.worker ??= new Worker(this.script, {
      eval: true,
      execArgv: [],
      workerData: { code: this.code, root: join(import.meta.dirname, '..', 'package.json'), folders: [CORPUS, CHAINS] },
    }).on('error', () => {}) // Between two orders too: what an earlier mutant has left running.
    const { worker } = this
    return new Promise((resolve, reject) => {
      let begun: Given<'begins'> | undefined
      let timer: NodeJS.Timeout | undefined
      const endAfter = (ms: number) => {
        clearTimeout(timer)
        timer = setTimeout(() => worker.terminate(), ms + SILENCE_MS)
      }
      const onMessage = (answer: Answer) => {
        if ('begins' in answer) {
          begun = answer
          endAfter(answer.limitMs)
        } else settle(() => resolve(answer))
      }
      // Out of memory, for one: a mutant can do that.
      const onError = (error: Error) => {
        if (begun === undefined && isNew) settle(() => reject(error))
      }
      const onExit = () => {
        this.worker = undefined
        settle(() => {
          if (begun !== undefined) resolve(begun)
          else if (isNew) reject(new Error('a worker ended before any test'))
          else this.order(order).then(resolve, reject)
        })
      }
      const settle = (end: () => void) => {
        clearTimeout(timer)
        worker.off('message', onMessage).off('error', onError).off('exit', onExit)
        end()
      }
      worker.on('message', onMessage).on('error', onError).on('exit', onExit)
      if (order.do === 'try' && !isNew) endAfter(HEARING_MS)
      worker.postMessage(order)
    })
  }
}

export async function crewOf(size: number, code: string): Promise<readonly Hand[]> {
  const { outputFiles } = await build({
    entryPoints: [join(import.meta.dirname, 'worker.ts')],
    bundle: true,
    write: false,
    format: 'cjs',
    platform: 'node',
    // Only what the corpus' own folder would be: the worker is told.
    define: { 'import.meta.dirname': '""' },
  })
  const script = outputFiles[0]?.text ?? ''
  return Array.from({ length: size }, () => new Hand(script, code))
}
