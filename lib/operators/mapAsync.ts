import type { OperatorFunction } from 'rxjs'
import { type Duration, durationMs } from '../record/duration.js'
import { show, TidemarkError } from '../record/errors.js'
import { compareKeys, type Key, keyIdentity } from '../record/key.js'
import type { StreamRecord, WithValue } from '../record/record.js'
import { type RecordJson, recordFromJson, recordToJson } from '../record/recordJson.js'
import type { Handlers, OperatorContext, Waiting } from '../task/definition.js'
import { operate } from '../task/operate.js'
import type { CellState } from '../task/state.js'

export interface MapAsyncOptions {
  /** Names the state: the inputs in flight. A must where the app's store is durable. */
  readonly name?: string
  /** Calls in flight at most. While there are so many, the task reads no further. Default 16. */
  readonly concurrency?: number
  /** `input`: results in the order of the inputs. `key`: in order per key, calls of one key one by one. `none`: as they come. Default `input`. */
  readonly order?: 'input' | 'key' | 'none'
  /** For one call. Default: none. */
  readonly timeout?: Duration
  /** How often a failed call is made again. Default 0. */
  readonly retries?: number
  /** Before the first retry; doubles with each. Default 100 ms. */
  readonly backoff?: Duration
}

interface Call<R> {
  readonly id: number
  readonly record: R
  state: 'waiting' | 'running' | 'done'
  value: unknown
}

/**
 * Gives each record the value that an asynchronous call returns for it.
 *
 * ```
 * mapAsync(lookUp), which takes 6 ms for a and 1 ms for b     a column is 1 ms
 * in             a--b------|
 * order 'input'  ------(xy)|     x: of a   y: of b
 * order 'none'   ----y-x---|
 * ```
 *
 * The inputs in flight are state: a checkpoint holds them and doesn't wait for them, and a restart calls them again, so a call may be made more
 * than once. What follows sees no time beyond the earliest record in flight. A full operator stops the task's reading (back-pressure); outside an app, where a
 * source can't be stopped, inputs queue. A call that fails after its retries fails the task with `ASYNC_FAILED`. On completion what is in flight comes
 * out first. A call's signal aborts when its time is up, and when the task ends (unsubscribing, `stop`), after which no call is made.
 *
 * @throws TidemarkError `BAD_OPTION`, `BAD_DURATION`; at planning `UNNAMED_STATE`
 */
export function mapAsync<R extends StreamRecord<any, any>, V>(
  call: (record: R, context: { readonly signal: AbortSignal }) => Promise<V>,
  options: MapAsyncOptions = {},
): OperatorFunction<R, WithValue<R, V>> {
  const { concurrency = 16, retries = 0, order = 'input', name } = options
  if (!Number.isInteger(concurrency) || concurrency < 1)
    throw badOption('concurrency', 'a whole number of at least 1', concurrency)
  if (!Number.isInteger(retries) || retries < 0) throw badOption('retries', 'a whole number of at least 0', retries)
  const settings = {
    concurrency,
    retries,
    order,
    timeoutMs: options.timeout === undefined ? undefined : durationMs(options.timeout, 'mapAsync: timeout', 1),
    backoffMs: durationMs(options.backoff ?? 100, 'mapAsync: backoff'),
  }
  return operate<R, WithValue<R, V>>(
    'mapAsync',
    (context) => new Calls<R>(context as OperatorContext<unknown>, call, settings),
    {
      ...(name !== undefined && { name }),
      keyed: order === 'key',
    },
  )
}

const badOption = (option: string, wanted: string, got: unknown) =>
  new TidemarkError('BAD_OPTION', `mapAsync: ${option} must be ${wanted}; got ${show(got)}`, { operator: 'mapAsync' })

interface Settings {
  readonly concurrency: number
  readonly retries: number
  readonly order: 'input' | 'key' | 'none'
  readonly timeoutMs: number | undefined
  readonly backoffMs: number
}

class Calls<R extends StreamRecord<any, any>> implements Handlers<R> {
  private readonly state: CellState<number, RecordJson>
  /** In the order of the inputs. */
  private readonly calls = new Map<number, Call<R>>()
  private readonly busyKeys = new Set<unknown>()
  private running = 0
  private nextId = 0
  private isEnding = false
  /** Calls under way: one per running attempt. */
  private readonly attempts = new Set<AbortController>()
  /** Pauses and time-outs under way. */
  private readonly pending = new Set<() => void>()
  private isClosed = false

  constructor(
    private readonly context: OperatorContext<unknown>,
    private readonly call: (record: R, context: { readonly signal: AbortSignal }) => Promise<unknown>,
    private readonly settings: Settings,
  ) {
    this.state = context.cells()
    const restored = [...this.state.all()].sort((a, b) => (a.key as number) - (b.key as number))
    for (const cell of restored) this.add(cell.key as number, recordFromJson(cell.value) as R)
    if (restored.length > 0) context.later(() => this.start())
  }

  record(record: R): void {
    this.context.accept(record.timestamp)
    const id = this.nextId
    this.add(id, record)
    this.state.put(id, recordToJson(record))
    this.start()
  }

  holds(time: number): number {
    let least = time
    for (const { record } of this.calls.values()) if (record.timestamp < least) least = record.timestamp
    return least
  }

  underWay(): number {
    return this.calls.size
  }

  waiting(key: Key): Waiting[] {
    return [...this.calls.values()]
      .filter(({ record }) => record.key !== null && compareKeys(record.key, key) === 0)
      .map(({ record }) => ({ what: 'call', timestamp: record.timestamp, until: undefined }))
  }

  complete(): boolean {
    this.isEnding = this.calls.size > 0
    return this.isEnding
  }

  close(): void {
    this.isClosed = true
    for (const cancel of this.pending) cancel()
    for (const attempt of this.attempts) attempt.abort()
  }

  private add(id: number, record: R): void {
    this.nextId = id + 1
    this.calls.set(id, { id, record, state: 'waiting', value: undefined })
    this.context.block(this.calls.size >= this.settings.concurrency)
  }

  private start(): void {
    for (const call of this.calls.values()) {
      if (this.running >= this.settings.concurrency) return
      if (call.state !== 'waiting') continue
      const key = this.settings.order === 'key' ? identity(call.record) : undefined
      if (key !== undefined && this.busyKeys.has(key)) continue
      if (key !== undefined) this.busyKeys.add(key)
      call.state = 'running'
      this.running++
      void this.run(call)
    }
  }

  private async run(call: Call<R>): Promise<void> {
    const { retries, backoffMs } = this.settings
    for (let attempt = 0; ; attempt++) {
      try {
        call.value = await this.attempt(call.record)
        break
      } catch (cause) {
        if (this.isClosed) return
        if (attempt >= retries) {
          const tries = attempt === 0 ? '' : ` ${attempt + 1} times`
          const message = `the call failed${tries}: ${cause instanceof Error ? cause.message : String(cause)}`
          const { topic, partition, offset, key } = call.record
          this.context.fail(
            new TidemarkError(
              'ASYNC_FAILED',
              message,
              { operator: this.context.operator, topic, partition, offset, key },
              { cause },
            ),
            call.record,
          )
          return
        }
        await new Promise<void>((resolve) => this.after(backoffMs * 2 ** attempt, resolve))
      }
    }
    if (!this.isClosed) this.context.later(() => this.done(call))
  }

  private attempt(record: R): Promise<unknown> {
    const { timeoutMs } = this.settings
    const attempt = new AbortController()
    this.attempts.add(attempt)
    return new Promise((resolve, reject) => {
      const cancel =
        timeoutMs === undefined
          ? undefined
          : this.after(timeoutMs, () => {
              this.attempts.delete(attempt)
              const late = new Error(`no answer within ${timeoutMs} ms`)
              reject(late)
              attempt.abort(late)
            })
      // A call that throws before its first await counts like one that rejects.
      Promise.resolve()
        .then(() => (this.isClosed ? undefined : this.call(record, { signal: attempt.signal })))
        .then(resolve, reject)
        .finally(() => {
          this.attempts.delete(attempt)
          cancel?.()
        })
    })
  }

  /** A timer that ends with the task. */
  private after(ms: number, run: () => void): () => void {
    const cancelTimer = this.context.clock.after(ms, () => {
      this.pending.delete(cancel)
      run()
    })
    const cancel = () => {
      this.pending.delete(cancel)
      cancelTimer()
    }
    this.pending.add(cancel)
    return cancel
  }

  private done(call: Call<R>): void {
    call.state = 'done'
    this.running--
    if (this.settings.order === 'key') this.busyKeys.delete(identity(call.record))
    if (this.settings.order === 'input') {
      for (const head of this.calls.values()) {
        if (head.state !== 'done') break
        this.release(head)
      }
    } else this.release(call)
    this.start()
    this.context.block(this.calls.size >= this.settings.concurrency)
    if (this.isEnding && this.calls.size === 0) this.context.finish()
  }

  private release(call: Call<R>): void {
    // Held until its result is out, so that nothing behind it sees a time past it.
    this.context.emit({ ...call.record, value: call.value })
    this.calls.delete(call.id)
    this.state.delete(call.id)
  }
}

const identity = (record: StreamRecord<Key | null, unknown>) => (record.key === null ? null : keyIdentity(record.key))
