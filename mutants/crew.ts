import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { build } from 'esbuild'
import { CHAINS, CORPUS } from '../conformance/files.js'
import type { Answer, Order } from './worker.js'

type Given<Key extends string> = Extract<Answer, { readonly [K in Key]: unknown }>

/** How much longer than its own limit a test may be silent: it may not give way to its timer at all. */
const SILENCE_MS = 2_000

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
  async try(mutant: number, tests: Extract<Order, { do: 'try' }>['tests']): Promise<number | undefined> {
    const answer = await this.order({ do: 'try', mutant, tests })
    if ('begins' in answer) return answer.begins
    const { killedBy, isStuck } = answer as Given<'killedBy'>
    if (isStuck) await this.end()
    return killedBy
  }

  async end(): Promise<void> {
    await this.worker?.terminate()
    this.worker = undefined
  }

  /** The answer; if the worker falls silent or ends before it gives one, the last test begun. */
  private order(order: Order): Promise<Answer> {
    this.worker ??= new Worker(this.script, {
      eval: true,
      execArgv: [],
      workerData: { code: this.code, root: join(import.meta.dirname, '..', 'package.json'), folders: [CORPUS, CHAINS] },
    })
    const { worker } = this
    return new Promise((resolve, reject) => {
      let begun: Given<'begins'> | undefined
      let timer: NodeJS.Timeout | undefined
      const onMessage = (answer: Answer) => {
        clearTimeout(timer)
        if ('begins' in answer) {
          begun = answer
          timer = setTimeout(() => worker.terminate(), answer.limitMs + SILENCE_MS)
        } else settle(() => resolve(answer))
      }
      // Out of memory, for one: a mutant can do that.
      const onError = (error: Error) => {
        if (begun === undefined) settle(() => reject(error))
      }
      const onExit = () => {
        this.worker = undefined
        settle(() => (begun === undefined ? reject(new Error('a worker ended before any test')) : resolve(begun)))
      }
      const settle = (end: () => void) => {
        clearTimeout(timer)
        worker.off('message', onMessage).off('error', onError).off('exit', onExit)
        end()
      }
      worker.on('message', onMessage).on('error', onError).on('exit', onExit)
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
