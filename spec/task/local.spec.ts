import { test } from '@jest/globals'
import { merge } from 'rxjs'
import { local, mapValues, shared } from 'tidemark'
import { runMarbles } from 'tidemark/testing'
import { expectDrawn } from '../testing/docstring.js'

test('its diagram', async () => {
  const [source, out] = ['a----b----|', '(pq)-(rs)-|']
  expectDrawn(
    'task/local.ts',
    `in                                      ${source}`,
    `local(merge(all.pipe(f), all.pipe(g)))  ${out}`,
  )
  await runMarbles({
    source,
    out,
    values: { a: ['k', 1], b: ['k', 2], p: ['k', 'f1'], q: ['k', 'g1'], r: ['k', 'f2'], s: ['k', 'g2'] },
    pipeline: (s) => {
      const all = s.pipe(shared())
      return local(merge(all.pipe(mapValues((v) => `f${v}`)), all.pipe(mapValues((v) => `g${v}`))))
    },
  })
})
