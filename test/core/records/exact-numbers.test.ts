import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { findInexact, findInexactInJson, quoteInexact } from '../../../core/records/exact-numbers.ts'

const LONG = '12345678901234567890'

describe('a JSON text', () => {
  it('quoteInexact turns integers beyond 2^53 into strings and changes nothing else', () => {
    for (const [given, kept] of [
      [`{"a":${LONG},"b":[-${LONG}, 1]}`, `{"a":"${LONG}","b":["-${LONG}", 1]}`],
      [`{"a":"${LONG}","${LONG}":1}`, `{"a":"${LONG}","${LONG}":1}`],
      [`{"a":"\\"${LONG}"}`, `{"a":"\\"${LONG}"}`],
      ['[9007199254740991,9007199254740993]', '[9007199254740991,"9007199254740993"]'],
      ['[1e400,1e300,6.02e23,0.12345678901234567]', '["1e400",1e300,6.02e23,0.12345678901234567]'],
      [LONG, `"${LONG}"`],
      [`"${LONG}`, `"${LONG}`],
    ])
      expect(quoteInexact(given as string)).toBe(kept)
  })

  it('quoteInexact keeps the JSON of any value', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const json = JSON.stringify(value)
        const read = JSON.parse(quoteInexact(json))
        if (quoteInexact(json) === json) expect(read).toEqual(JSON.parse(json))
      }),
    )
  })

  it('findInexactInJson returns the path of the first inexact number of a field', () => {
    expect(findInexactInJson(`{"trace":${LONG},"data":{"lines":[{"id":1},{"id":${LONG}}]}}`, 'data')).toBe(
      'data.lines[1].id',
    )
    expect(findInexactInJson(`{"trace":${LONG},"data":{"id":"${LONG}"}}`, 'data')).toBeNull()
    expect(findInexactInJson(`{"data":${LONG}}`, 'data')).toBe('data')
  })
})

describe('a value', () => {
  it.each([
    [{ a: { b: [1, Number.NaN] } }, 'a.b[1]'],
    [{ a: Number.POSITIVE_INFINITY }, 'a'],
    [{ a: 12n }, 'a'],
    [{ a: Number(LONG) }, 'a'],
    [2 ** 53, ''],
    [{ a: 2 ** 53 - 1, b: 6.02e23, c: 0.1, d: LONG, e: null, f: true }, null],
  ])('findInexact returns the path of a number that JSON cannot carry: %o, %s', (value, path) => {
    expect(findInexact(value)).toBe(path)
  })

  it('findInexact accepts a cyclic value', () => {
    const cyclic: Record<string, unknown> = { a: 1 }
    cyclic.self = cyclic
    expect(findInexact(cyclic)).toBeNull()
  })
})
