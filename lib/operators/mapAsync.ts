import type { OperatorFunction } from 'rxjs'
import { type Duration, durationMs } from '../record/duration.js'
import { show, TidemarkError } from '../record/errors.js'
import { compareKeys, type Key, keyIdentity } from '../record/key.js'
import type { StreamRecord, WithValue } from '../record/record.js'
import { type RecordJson, recordFromJson, recordToJson } from '../record/recordJson.js'
import type { Handlers, OperatorContext, Waiting } from '../task/definition.js'
import type { ErrorPolicy } from '../task/errorPolicy.js'
import { operate } from '../task/operate.js'
import { type Origin, type OriginJson, originFromJson, originToJson } from '../task/origin.js'
import type { CellState } from '../task/state.js'
import { Circuit, type CircuitOptions, type CircuitSettings, circuitSettings } from './circuit.js'

export interface MapAsyncOptions {
  /** Names the state: the inputs in flight. A must where the app's store is durable. */
  readonly name?: string
  /** Calls in flight at most. While there are so many, the task reads no further. Default 16. */
  readonly concurrency?: number
  /** `input`: results in the order of the inputs. `key`: in order per key, calls of one key one by one. `none`: as they come. Default `input`. */
  readonly order?: 'input' | 'key' | 'none'
  /** For one call. Default: none. */
  readonly timeout?: Duration
  /** What becomes of a record whose call fails. Default: as its source or the app says, else `fail`. */
  readonly onError?: ErrorPolicy
  /** Makes no calls for a while when so many have failed in a row. Default: none. */
  readonly circuit?: CircuitOptions
}

type Caller<R> = (record: R, context: { readonly signal: AbortSignal }) => Promise<unknown>

/** An input in flight, as the state has it. */
interface InFlight {
  readonly record: RecordJson
  readonly origin?: OriginJson
}

interface Call<R> {
  readonly id: number
  readonly record: R
  readonly origin: Origin | undefined
  /** `pausing`: it has failed and is made again later. */
  state: 'waiting' | 'running' | 'pausing' | 'done'
  value: unknown
  /** How often it has failed. */
  tries: number
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
 * source can't be stopped, inputs queue. On completion what is in flight comes out first. A call's signal aborts when its time is up, and when the task ends
 * (unsubscribing, `stop`), after which no call is made.
 *
 * A call that rejects, throws or takes too long has failed, and `onError` decides: by default the task fails with `ASYNC_FAILED`. With `retry` the call is made
 * again after a pause, while others go on (with order `key`, not those of its key; with `input`, their results wait). What is left out lets those behind it go on.
 * A `circuit` opens when so many calls have failed in a row, whichever records they were for.
 *
 * ```ts
 * const priced = orders.pipe(
 *   mapAsync((order) => lookUp(order.value.userId), {
 *     name: 'prices',
 *     order: 'key',
 *     timeout: '2s',
 *     onError: retry({ times: 5, orElse: deadLetter('orders-dead') }),
 *     circuit: { failures: 20, openFor: '30s' },
 *   }),
 * )
 * ```
 *
 * @throws TidemarkError `BAD_OPTION`, `BAD_DURATION`; at planning `UNNAMED_STATE`
 */
export function mapAsync<R extends StreamRecord<any, any>, V>(
  call: (record: R, context: { readonly signal: AbortSignal }) => Promise<V>,
  options: MapAsyncOptions = {},
): OperatorFunction<R, WithValue<R, V>> {
  const { concurrency = 16, order = 'input', name, onError, circuit } = options
  if (!Number.isInteger(concurrency) || concurrency < 1)
    throw new TidemarkError(
      'BAD_OPTION',
      `mapAsync: concurrency must be a whole number of at least 1; got ${show(concurrency)}`,
      { operator: 'mapAsync' },
    )
  const settings = {
    concurrency,
    order,
    timeoutMs: options.timeout === undefined ? undefined : durationMs(options.timeout, 'mapAsync: timeout', 1),
    circuit: circuit === undefined ? undefined : circuitSettings(circuit),
  }
  return operate<R, WithValue<R, V>>(
    'mapAsync',
    (context) => new Calls<R>(context as OperatorContext<unknown>, call, settings),
    {
      ...(name !== undefined && { name }),
      keyed: order === 'key',
      ...(onError !== undefined && { onError }),
    },
  )
}

interface Settings {
  readonly concurrency: number
  readonly order: 'input' | 'key' | 'none'
  readonly timeoutMs: number | undefined
  readonly circuit: CircuitSettings | undefined
}

class Calls<R extends StreamRecord<any, any>> implements Handlers<R> {
  private readonly state: CellState<number, InFlight>
  /** In the order of the inputs. */
  private readonly calls = new Map<number, Call<R>>()
  /** With order `key`: keys of which a call is under way, and which one. */
  private readonly busyKeys = new Map<unknown, number>()
  private readonly circuit: Circuit | undefined
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
    private readonly call: Caller<R>,
    private readonly settings: Settings,
  ) {
    const { circuit } = settings
    if (circuit !== undefined)
      this.circuit = new Circuit(
        circuit,
        (ms, run) => this.after(ms, run),
        () => this.later(() => this.start()),
      )
    this.state = context.cells()
    const restored = [...this.state.all()].sort((a, b) => (a.key as number) - (b.key as number))
    for (const { key, value } of restored)
      this.add(
        key as number,
        recordFromJson(value.record) as R,
        value.origin === undefined ? undefined : originFromJson(value.origin),
      )
    if (restored.length > 0) this.later(() => this.start())
  }

  record(record: R): void {
    this.context.accept(record.timestamp)
    const id = this.nextId
    const origin = this.context.origin()
    this.add(id, record, origin)
    this.state.put(id, {
      record: recordToJson(record),
      ...(origin !== undefined && { origin: originToJson(origin) }),
    })
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

  calling(): number {
    let count = 0
    for (const { state } of this.calls.values()) if (state === 'running') count++
    return count
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

  private add(id: number, record: R, origin: Origin | undefined): void {
    this.nextId = id + 1
    this.calls.set(id, { id, record, origin, state: 'waiting', value: undefined, tries: 0 })
    this.context.block(this.calls.size >= this.settings.concurrency)
  }

  /** Makes the calls that may be made now. */
  private start(): void {
    for (const call of this.calls.values()) {
      if (this.running >= this.settings.concurrency) return
      if (call.state !== 'waiting' || this.isBusy(call)) continue
      if (!this.make(call)) return
    }
  }

  /** Makes a call. False: none may be made at present. */
  private make(call: Call<R>): boolean {
    const isAdmitted = this.circuit?.admits() !== false
    if (!isAdmitted && this.circuit?.rejects !== true) return false
    call.state = 'running'
    this.running++
    if (this.settings.order === 'key') this.busyKeys.set(identity(call.record), call.id)
    if (isAdmitted) void this.run(call)
    else this.later(() => this.failed(call, rejected()))
    return true
  }

  /** Whether a call of its key that came before is under way. */
  private isBusy({ id, record }: Call<R>): boolean {
    if (this.settings.order !== 'key') return false
    const owner = this.busyKeys.get(identity(record))
    return owner !== undefined && owner !== id
  }

  private async run(call: Call<R>): Promise<void> {
    try {
      call.value = await this.attempt(call.record)
    } catch (cause) {
      this.circuit?.failed()
      this.later(() => this.failed(call, cause))
      return
    }
    this.circuit?.succeeded()
    this.later(() => this.succeeded(call))
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

  /** Runs something in a dispatch of its own, unless the task has ended. */
  private later(run: () => void): void {
    if (this.isClosed) return
    this.context.later(() => {
      if (!this.isClosed) run()
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

  private failed(call: Call<R>, cause: unknown): void {
    this.running--
    const error = asyncError(this.context.operator, call, cause)
    const isOver = !this.settle(call, () => {
      throw error
    })
    if (!isOver) this.goOn()
  }

  private succeeded(call: Call<R>): void {
    this.running--
    call.state = 'done'
    if (this.settings.order === 'input' || this.settle(call, () => this.emit(call))) this.goOn()
  }

  private emit(call: Call<R>): void {
    this.context.emit({ ...call.record, value: call.value })
  }

  /** With order `input`: what is done and has nothing before it comes out. False: the task is over. */
  private releaseHeads(): boolean {
    for (;;) {
      // Looked for each time: one that is made again is still the first, and no longer done.
      const [head] = this.calls.values()
      if (head?.state !== 'done') return true
      if (!this.settle(head, () => this.emit(head))) return false
    }
  }

  /** Handles how a call went; if that goes wrong, the policy says whether it is made again or left out. False: the task is over. */
  private settle(call: Call<R>, run: () => void): boolean {
    const { id, origin, tries } = call
    const outcome = this.context.onBehalf({ origin, call: id, tries, run })
    if (outcome === 'over') return false
    if (typeof outcome === 'object') {
      call.tries++
      call.state = 'pausing'
      // It is in flight meanwhile.
      this.running++
      this.after(outcome.againMs, () =>
        this.later(() => {
          this.running--
          call.state = 'waiting'
          this.make(call)
        }),
      )
      return true
    }
    // Held until its result is out, so that nothing behind it sees a time past it.
    this.calls.delete(id)
    this.state.delete(id)
    if (this.settings.order === 'key') this.busyKeys.delete(identity(call.record))
    return true
  }

  /** One has gone: others may have their turn. */
  private goOn(): void {
    if (this.settings.order === 'input' && !this.releaseHeads()) return
    this.start()
    this.context.block(this.calls.size >= this.settings.concurrency)
    if (this.isEnding && this.calls.size === 0) this.context.finish()
  }
}

const identity = (record: StreamRecord<Key | null, unknown>) => (record.key === null ? null : keyIdentity(record.key))

const rejected = () => new TidemarkError('CIRCUIT_OPEN', 'no call was made, as too many have failed in a row (circuit)')

function asyncError(operator: string, { record, tries }: Call<StreamRecord>, cause: unknown): TidemarkError {
  const { topic, partition, offset, key } = record
  const place = { operator, key, ...(topic !== '' && { topic, partition, offset }) }
  if (cause instanceof TidemarkError && cause.code === 'CIRCUIT_OPEN') return cause.at(place)
  const times = tries === 0 ? '' : ` ${tries + 1} times`
  const message = `the call failed${times}: ${cause instanceof Error ? cause.message : String(cause)}`
  return new TidemarkError('ASYNC_FAILED', message, place, { cause })
}
