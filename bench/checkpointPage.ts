import { idb } from '../lib/stores/idb.js'
import { type CheckpointCost, checkpointRounds } from './checkpointRounds.js'

/* What bench/checkpoint.ts runs in Chromium: what goes into IndexedDB is measured where it goes in. */
let writtenBytes = 0
let compactions = 0

const { put, delete: remove } = IDBObjectStore.prototype
IDBObjectStore.prototype.put = function (value: unknown, key?: IDBValidKey) {
  const { keys, ends, values } = value as { keys?: string; ends?: Uint32Array; values?: Uint8Array }
  writtenBytes +=
    values === undefined ? JSON.stringify(value).length : (keys?.length ?? 0) + (ends?.byteLength ?? 0) + values.length
  return put.call(this, value, key)
}
IDBObjectStore.prototype.delete = function (key: IDBValidKey | IDBKeyRange) {
  // The blocks that were there before.
  if (key instanceof IDBKeyRange) compactions++
  return remove.call(this, key)
}

const page = {
  run: (keys: number, rounds: number): Promise<CheckpointCost> =>
    checkpointRounds(idb(`bench ${keys}`), keys, rounds, {
      written: () => writtenBytes,
      compactions: () => compactions,
    }),
}

export type CheckpointPage = typeof page
Object.assign(globalThis, { bench: page })
