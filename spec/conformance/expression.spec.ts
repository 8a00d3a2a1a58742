import { describe, expect, test } from '@jest/globals'
import { compile, type Variables } from '../../conformance/expression.js'
import type { Json } from '../../conformance/json.js'

const EVERY = ['key', 'value', 'agg', 'left', 'right', 'windowStart', 'windowEnd'] as const
const run = (expression: Json, variables: Variables = {}) => compile(expression, EVERY)(variables)

describe('gives', () => {
  test.each<{ name: string; of: Json; is: Json; with?: Variables }>([
    { name: 'a literal', of: 5, is: 5 },
    { name: 'a literal text, also one that is called as a variable', of: 'value', is: 'value' },
    { name: 'null', of: null, is: null },
    { name: 'a literal object as it stands', of: { a: ['+', 1, 2] }, is: { a: ['+', 1, 2] } },
    { name: 'a variable', of: ['value'], is: 'v', with: { value: 'v' } },
    { name: 'null for a variable that has no value here', of: ['windowStart'], is: null },
    {
      name: "a window's start and end",
      of: ['-', ['windowEnd'], ['windowStart']],
      is: 90,
      with: { windowStart: 10, windowEnd: 100 },
    },
    { name: 'a member', of: ['field', ['value'], 'n'], is: 2, with: { value: { n: 2 } } },
    { name: 'null for a member that is not there', of: ['field', ['value'], 'm'], is: null, with: { value: { n: 2 } } },
    { name: 'null for a member of null', of: ['field', ['value'], 'n'], is: null, with: { value: null } },
    {
      name: 'null for what an object only inherits',
      of: ['field', ['value'], 'toString'],
      is: null,
      with: { value: {} },
    },
    {
      name: 'a member of a member',
      of: ['field', ['field', ['value'], 'a'], 'b'],
      is: 1,
      with: { value: { a: { b: 1 } } },
    },
    { name: 'an object', of: ['obj', 'a', ['key'], 'b', 2], is: { a: 'k', b: 2 }, with: { key: 'k' } },
    { name: 'an empty object', of: ['obj'], is: {} },
    { name: 'a list', of: ['list', 1, ['list']], is: [1, []] },
    { name: 'a longer list', of: ['append', ['list', 1], null], is: [1, null] },
    { name: 'two lists as one', of: ['concatLists', ['list', 1], ['list', 2, 3]], is: [1, 2, 3] },
    { name: 'a list without the first of equals', of: ['removeFirst', ['list', 1, 2, 1], 1], is: [2, 1] },
    {
      name: 'a list without what is deeply equal',
      of: ['removeFirst', ['list', ['obj', 'a', 1, 'b', 2], 5], { b: 2, a: 1 }],
      is: [5],
    },
    { name: 'the list if nothing in it is equal', of: ['removeFirst', ['list', 1], '1'], is: [1] },
    { name: 'a sum', of: ['+', 2, -3], is: -1 },
    { name: 'a difference', of: ['-', 2, 3], is: -1 },
    { name: 'a product', of: ['*', 4, -3], is: -12 },
    { name: 'the greater', of: ['max', -1, -2], is: -1 },
    { name: 'the lesser', of: ['min', -1, -2], is: -2 },
    { name: 'a remainder', of: ['mod', 7, 3], is: 1 },
    { name: 'a remainder that is never negative', of: ['mod', -7, 3], is: 2 },
    { name: 'a remainder of 0 for a negative multiple', of: ['mod', -6, 3], is: 0 },
    { name: 'a remainder by a negative number', of: ['mod', -7, -3], is: 2 },
    { name: 'texts, integers and null joined', of: ['concat', 'a', -5, null, ''], is: 'a-5null' },
    { name: 'an empty text', of: ['concat'], is: '' },
    { name: 'the length of a text', of: ['len', 'abc'], is: 3 },
    { name: 'the length of a list', of: ['len', ['list', 1, 2]], is: 2 },
    { name: 'equal numbers', of: ['eq', 1, 1], is: true },
    { name: 'a number and its text are not equal', of: ['eq', 1, '1'], is: false },
    { name: 'nulls are equal', of: ['eq', null, ['field', null, 'x']], is: true },
    { name: 'objects are equal whatever their order', of: ['eq', { a: 1, b: [2] }, { b: [2], a: 1 }], is: true },
    { name: 'objects with more members are not', of: ['eq', { a: 1 }, { a: 1, b: null }], is: false },
    { name: 'nor with other members', of: ['eq', { a: 1, c: 1 }, { a: 1, b: 1 }], is: false },
    { name: 'nor lists in another order', of: ['eq', ['list', 1, 2], ['list', 2, 1]], is: false },
    { name: 'nor an object and a list', of: ['eq', ['obj'], ['list']], is: false },
    { name: 'less', of: ['lt', 1, 2], is: true },
    { name: 'not less than itself', of: ['lt', 2, 2], is: false },
    { name: 'greater', of: ['gt', 2, 1], is: true },
    { name: 'not greater than itself', of: ['gt', 2, 2], is: false },
    { name: 'null is null', of: ['isNull', null], is: true },
    { name: '0 is not null', of: ['isNull', 0], is: false },
    { name: 'not', of: ['not', ['isNull', 1]], is: true },
    { name: 'all', of: ['and', true, true], is: true },
    { name: 'not all', of: ['and', true, false, true], is: false },
    { name: 'all of none', of: ['and'], is: true },
    { name: 'any', of: ['or', false, true], is: true },
    { name: 'any of none', of: ['or'], is: false },
    { name: 'and stops at the first that is false', of: ['and', false, ['gt', null, 1]], is: false },
    { name: 'or stops at the first that is true', of: ['or', true, ['gt', null, 1]], is: true },
    { name: 'the first branch alone', of: ['if', true, 1, ['+', null, 1]], is: 1 },
    { name: 'the second branch alone', of: ['if', false, ['+', null, 1], 2], is: 2 },
  ])('$name', ({ of, is, with: variables }) => expect(run(of, variables)).toEqual(is))
})

test('operands stay as they are', () => {
  const agg = Object.freeze([1, 2])
  expect(run(['append', ['agg'], 3], { agg })).toEqual([1, 2, 3])
  expect(run(['removeFirst', ['agg'], 1], { agg })).toEqual([2])
  expect(run(['concatLists', ['agg'], ['agg']], { agg })).toEqual([1, 2, 1, 2])
})

describe('is refused when it is compiled', () => {
  test.each<{ name: string; of: Json; says: string }>([
    { name: 'an unknown operation', of: ['sqrt', 4], says: 'expression ["sqrt",4]: there is no operation sqrt' },
    { name: 'what every object has', of: ['toString'], says: 'there is no operation toString' },
    { name: 'an empty list', of: [], says: 'begins with its name' },
    { name: 'a list of data', of: [1, 2], says: 'begins with its name' },
    { name: 'too few arguments', of: ['+', 1], says: '+ takes 2 arguments, got 1' },
    { name: 'too many arguments', of: ['not', true, true], says: 'not takes 1 arguments, got 2' },
    { name: 'a variable with an argument', of: ['value', 1], says: 'value takes no arguments' },
    { name: 'a variable that is not there', of: ['agg'], says: 'there is no agg here, only key, value' },
    { name: 'one deep inside', of: ['obj', 'a', ['list', ['left']]], says: 'there is no left here' },
    { name: 'an object with half a member', of: ['obj', 'a'], says: 'names and expressions in turn' },
    { name: 'a name that is an expression', of: ['obj', ['key'], 1], says: 'names and expressions in turn' },
    { name: 'a member of no name', of: ['field', ['value'], 1], says: 'field takes an expression and a name' },
  ])('$name', ({ of, says }) => expect(() => compile(of, ['key', 'value'])).toThrow(says))
})

describe('fails on operands of the wrong type', () => {
  test.each<{ of: Json; says: string }>([
    { of: ['+', 1, null], says: '+ works on integers, got null' },
    { of: ['+', '1', 1], says: '+ works on integers, got "1"' },
    { of: ['*', 0.5, 2], says: '* works on integers, got 0.5' },
    { of: ['gt', null, 1], says: 'gt works on integers, got null' },
    { of: ['mod', 5, 0], says: 'mod: division by 0' },
    { of: ['append', null, 1], says: 'append works on arrays, got null' },
    { of: ['len', 5], says: 'len works on arrays, got 5' },
    { of: ['if', null, 1, 2], says: 'if works on booleans, got null' },
    { of: ['and', 1], says: 'and works on booleans, got 1' },
    { of: ['not', null], says: 'not works on booleans, got null' },
    { of: ['concat', ['list']], says: 'concat joins strings, integers and null, got []' },
  ])('$of', ({ of, says }) => expect(() => run(of)).toThrow(says))
})
