import { Comparison } from '../../soak/comparison.js'

const expected = new Map([
  [
    'totals',
    new Map([
      ['ann', ['1', '2', '3']],
      ['bob', ['1']],
    ]),
  ],
])

function differences(...found: string[]) {
  const comparison = new Comparison(expected)
  found.forEach((text, offset) => {
    const [key, value] = text.split(' ') as [string, string]
    comparison.add({ topic: 'totals', partition: 0, offset, key, value, at: 0 })
  })
  const all = comparison.differences
  expect(comparison.missing).toBe(all.filter(({ kind }) => kind === 'lost').length)
  return all.map(({ kind, key, value, found }) => `${kind} ${key} ${value}${found ? ` at ${found.offset}` : ''}`)
}

test.each<[string, string[], string[]]>([
  ['what is expected, keys in any order among each other', ['bob 1', 'ann 1', 'ann 2', 'ann 3'], []],
  ['nothing', [], ['lost ann 1', 'lost ann 2', 'lost ann 3', 'lost bob 1']],
  ['one is missing', ['ann 1', 'ann 3', 'bob 1'], ['lost ann 2']],
  ['one comes again', ['ann 1', 'ann 2', 'ann 1', 'ann 3', 'bob 1'], ['duplicated ann 1 at 2']],
  ['one that nobody expects', ['ann 1', 'ann 2', 'ann 3', 'bob 1', 'bob 2'], ['duplicated bob 2 at 4']],
  ['a key that nobody expects', ['ann 1', 'ann 2', 'ann 3', 'bob 1', 'eve 1'], ['duplicated eve 1 at 4']],
  ['one is wrong', ['ann 1', 'ann 7', 'ann 3', 'bob 1'], ['duplicated ann 7 at 1', 'lost ann 2']],
  ['two in the wrong order', ['ann 2', 'ann 1', 'ann 3', 'bob 1'], ['disordered ann 1 at 1']],
  ['one comes last', ['ann 3', 'ann 1', 'ann 2', 'bob 1'], ['disordered ann 1 at 1', 'disordered ann 2 at 2']],
])('%s', (_, found, wanted) => {
  expect(differences(...found)).toEqual(wanted)
})

test('another topic is another expectation', () => {
  const comparison = new Comparison(new Map([['a', new Map([['k', ['1']]])]]))
  comparison.add({ topic: 'b', partition: 0, offset: 0, key: 'k', value: '1', at: 0 })
  expect(comparison.differences.map(({ kind, topic }) => `${kind} ${topic}`)).toEqual(['duplicated b', 'lost a'])
})
