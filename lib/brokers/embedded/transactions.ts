import type { OutRecord, Position, Transaction, TransactionalProducer } from '../../ports/broker.js'
import type { StoreChanges } from '../../ports/store.js'
import { show, TidemarkError } from '../../record/errors.js'
import { badTransaction } from '../rules/badTransaction.js'
import { checkRecords } from '../rules/checkRecords.js'
import type { Topics } from './topics.js'

/**
 * Transactional producers by id. A transaction keeps its records to itself until it commits, so readers never meet
 * an open or aborted one.
 */
export class Transactions {
  private readonly epochs = new Map<string, number>()

  constructor(private readonly topics: Topics) {}

  producer(id: string): TransactionalProducer {
    let epoch: number | undefined
    let open: OpenTransaction | undefined
    let closed = false
    const checkEpoch = () => {
      if (epoch !== undefined && epoch !== this.epochs.get(id)) throw fenced(id)
    }
    const check = () => {
      if (closed) throw badTransaction(id, 'the producer is closed')
      checkEpoch()
    }
    return {
      begin: async () => {
        check()
        if (open?.state === 'open') throw badTransaction(id, 'a transaction is open')
        if (epoch === undefined) {
          epoch = (this.epochs.get(id) ?? 0) + 1
          this.epochs.set(id, epoch)
          // The former owner's commit may be on its way to the store; what it commits must be seen from here on.
          await this.topics.journal.barrier()
          check()
        }
        open = new OpenTransaction(id, this.topics, check, checkEpoch)
        return open
      },
      close: async () => {
        closed = true
      },
    }
  }
}

class OpenTransaction implements Transaction {
  state: 'open' | 'ended' = 'open'
  private readonly records: OutRecord[] = []
  private readonly offsets: { group: string; positions: readonly Position[] }[] = []

  constructor(
    private readonly id: string,
    private readonly topics: Topics,
    private readonly checkProducer: () => void,
    private readonly checkEpoch: () => void,
  ) {}

  async send(records: readonly OutRecord[]): Promise<void> {
    this.check()
    checkRecords(records)
    for (const record of records) this.topics.log(record)
    for (const record of records) this.records.push(record)
  }

  async sendOffsets(group: string, positions: readonly Position[]): Promise<void> {
    this.check()
    this.offsets.push({ group, positions })
  }

  async commit(along: readonly StoreChanges[] = []): Promise<readonly Position[]> {
    this.check()
    this.state = 'ended'
    const addition = this.topics.addition({ records: this.records, offsets: this.offsets, marked: true, along })
    await this.topics.journal.write({
      ...addition,
      stage: (changes) => {
        this.checkEpoch()
        addition.stage(changes)
      },
    })
    return addition.ends()
  }

  async abort(): Promise<void> {
    this.check()
    this.state = 'ended'
  }

  private check(): void {
    this.checkProducer()
    if (this.state === 'ended') throw badTransaction(this.id, 'this transaction has ended')
  }
}

function fenced(id: string): TidemarkError {
  return new TidemarkError(
    'FENCED',
    `transactional producer ${show(id)}: a newer producer has taken the id over; close this one and start from the committed offsets`,
  )
}
