import { embedded } from 'tidemark'
import { idb } from 'tidemark/idb'
import { Mover } from './mover.js'

/* The page of openCheckpoint.chromium.spec.ts: bytes come and go as lists of numbers. */
let mover: Mover | undefined
const present = () => mover as Mover

const page = {
  async moveIn(database: string, file: readonly number[]): Promise<void> {
    const store = idb(database)
    mover = new Mover(embedded({ store }), store)
    await mover.moveIn(new Uint8Array(file), { createTopics: true })
  },
  feed: (orders: number) => present().feed(orders),
  written: () => present().written(),
  async moveOut(): Promise<{ file: number[]; lines: string[] }> {
    const { file, lines } = await present().moveOut()
    return { file: [...file], lines }
  },
  errors: () => present().errors,
  close: () => present().close(),
}

export type MoverPage = typeof page
Object.assign(globalThis, { mover: page })
