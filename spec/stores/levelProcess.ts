import { loadAll } from '../../lib/ports/loadAll.js'
import { level } from '../../lib/stores/level.js'

/*
 * A process of its own for level.spec.ts: takes the directory that is its first argument and commits one counter to
 * two scopes for ever, saying each number once it is committed. With `idle` as its second argument it only holds on.
 */
const [directory, mode] = process.argv.slice(2)
const store = level(directory as string)
await store.open('counter')
console.log('open')
if (mode === 'idle') {
  await new Promise(() => setInterval(() => {}, 60_000))
}
const last = Array.from(await loadAll(store, 'left'))[0]?.[1]
for (let n = last === undefined ? 1 : Number(Buffer.from(last).toString()) + 1; ; n++) {
  const entries = Array.from({ length: 500 }, (_, i) => [`key ${i}`, Buffer.from(`${n}`)] as const)
  await store.commit(['left', 'right'].map((scope) => ({ scope, entries, reset: n % 5 === 0 })))
  console.log(`${n}`)
}
