import type { Position, Producer, Transaction, TransactionalProducer } from '../../ports/broker.js'
import { TidemarkError } from '../../record/errors.js'
import { badTransaction } from '../rules/badTransaction.js'
import type { Line } from './line.js'
import { ownRecords } from './wire.js'

/** Writes through the tab that hosts, and once more through the next one if that goes before it has answered: each record gets there once. */
export function remoteProducer(line: Line): Producer {
  let isClosed = false
  return {
    async send(records, along) {
      if (isClosed) throw new TidemarkError('BAD_STATE', 'the producer is closed')
      await line.call('send', ownRecords(records), along)
    },
    async close() {
      isClosed = true
    },
  }
}

/** Writes in transactions of the tab that hosts. One that is open when that goes is lost as a whole: `BROKER_UNAVAILABLE` or `FENCED`. */
export function remoteTransactionalProducer(line: Line, id: string): TransactionalProducer {
  const producer = line.number()
  let isClosed = false
  // The next host doesn't know whether a newer producer has fenced this one.
  let gone: TidemarkError | undefined
  line.bound.set(producer, {
    hear() {},
    hostGone(error) {
      gone = error
    },
  })
  return {
    async begin() {
      if (isClosed) throw badTransaction(id, 'the producer is closed')
      if (gone !== undefined) throw gone
      const number = line.number()
      await line.callBound('begin', producer, id, number)
      return transaction(line, id, number)
    },
    async close() {
      isClosed = true
      line.bound.delete(producer)
      line.tell('closeProducer', producer)
    },
  }
}

function transaction(line: Line, id: string, number: number): Transaction {
  let hasEnded = false
  const check = () => {
    if (hasEnded) throw badTransaction(id, 'this transaction has ended')
  }
  return {
    async send(records) {
      check()
      await line.callBound('sendIn', number, ownRecords(records))
    },
    async sendOffsets(group, positions) {
      check()
      const plain = positions.map(({ topic, partition, offset }): Position => ({ topic, partition, offset }))
      await line.callBound('sendOffsets', number, group, plain)
    },
    async commit(along) {
      check()
      hasEnded = true
      // The next host may know that it was done, and says so.
      return line.call('commit', number, along)
    },
    async abort() {
      check()
      hasEnded = true
      await line.callBound('abort', number)
    },
  }
}
