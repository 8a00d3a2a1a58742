import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { expect } from '@jest/globals'
import type pg from 'pg'
import type { OutRecord } from 'tidemark'

/** A payment: so much to an account, at a place in the topic. */
interface Payment {
  readonly partition: number
  readonly offset: number
  readonly account: string
  readonly amount: number
}

/** Processes that write payments to a database (toRowsProcess.ts), and what they should have written. */
export class Payments {
  private readonly payments: Payment[] = []
  private readonly ends: number[]
  private readonly children = new Set<ChildProcess>()
  /** What processes have said: `running`, and the codes of errors. */
  readonly said: string[] = []

  constructor(
    private readonly pool: pg.Pool,
    private readonly connectionString: string,
    /** The app's id, the topic's name, and that of the schema with all tables. */
    readonly id: string,
    partitions: number,
  ) {
    this.ends = Array.from({ length: partitions }, () => 0)
  }

  async createTables(): Promise<void> {
    await this.pool.query(`
      CREATE SCHEMA "${this.id}";
      CREATE TABLE "${this.id}".ledger (partition int, "offset" int, account text, amount int, PRIMARY KEY (partition, "offset"));
      CREATE TABLE "${this.id}".balances (account text PRIMARY KEY, balance int)`)
  }

  /** The next so many payments: each account has its partition, and all are sent in one go, so that offsets have no gaps. */
  next(count: number): OutRecord[] {
    return Array.from({ length: count }, () => {
      const n = this.payments.length
      const partition = (n * 7) % this.ends.length
      const payment = {
        partition,
        offset: this.ends[partition] as number,
        account: `${partition}-${n % 13}`,
        amount: (n % 101) - 20,
      }
      this.ends[partition] = payment.offset + 1
      this.payments.push(payment)
      const { account, amount } = payment
      return {
        topic: this.id,
        partition,
        key: Buffer.from(account),
        value: Buffer.from(`${amount}`),
        timestamp: n,
        headers: [],
      }
    })
  }

  get count(): number {
    return this.payments.length
  }

  /** Starts a process; resolves once it has tasks, or has ended. */
  async start(where: string): Promise<ChildProcess> {
    const file = join(import.meta.dirname, 'toRowsProcess.ts')
    const child = spawn(process.execPath, ['--import', 'tsx', file, this.connectionString, this.id, this.id, where], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    this.children.add(child)
    child.once('exit', () => this.children.delete(child))
    const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream })
    await new Promise<void>((resolve) => {
      lines.once('close', resolve)
      lines.on('line', (line) => {
        this.said.push(line)
        if (line === 'running') resolve()
      })
    })
    return child
  }

  async kill(child: ChildProcess): Promise<void> {
    if (!this.children.has(child)) return
    const exited = new Promise((resolve) => child.once('exit', resolve))
    child.kill('SIGKILL')
    await exited
  }

  async killAll(): Promise<void> {
    for (const child of this.children) await this.kill(child)
  }

  async written(): Promise<number> {
    return (await this.pool.query(`SELECT count(*)::int AS count FROM "${this.id}".ledger`)).rows[0].count
  }

  /** Every payment is in the ledger once, and every balance is their sum. */
  async expectExact(): Promise<void> {
    const { rows } = await this.pool.query(`SELECT * FROM "${this.id}".ledger ORDER BY partition, "offset"`)
    const wanted = [...this.payments].sort((a, b) => a.partition - b.partition || a.offset - b.offset)
    expect(rows).toEqual(wanted)
    const balances = new Map<string, number>()
    for (const { account, amount } of this.payments) balances.set(account, (balances.get(account) ?? 0) + amount)
    const found = (await this.pool.query(`SELECT account, balance FROM "${this.id}".balances`)).rows
    expect(new Map(found.map((row) => [row.account, row.balance]))).toEqual(balances)
  }
}
