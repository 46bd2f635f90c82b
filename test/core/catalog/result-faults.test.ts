import { describe, expect, it } from 'vitest'
import type { ResultField } from '../../../core/catalog/result-definition.ts'
import { findResultFaults } from '../../../core/catalog/result-faults.ts'
import { MISFITS, RESULT_FIELDS, TYPED_RESULT } from '../../helpers/typed-result.ts'

const faultsOf = (result: unknown, fields: ResultField[] = RESULT_FIELDS) =>
  findResultFaults(result, { fields })
const one = (type: ResultField['type'], more: Partial<ResultField> = {}): ResultField => ({
  name: 'x',
  type,
  label: 'X',
  ...more,
})

describe('faults of a result', () => {
  it('a result that fits has none, nor one with nothing in it, nor any result without a definition', () => {
    expect(faultsOf(TYPED_RESULT)).toEqual([])
    for (const empty of [null, {}, { score: null, photo: '', lines: [] }]) expect(faultsOf(empty)).toEqual([])
    expect(faultsOf({ anything: 1 }, [])).toEqual([])
  })

  it.each(MISFITS)('a %s that is %j %s', (type, value, demand, settings) => {
    expect(faultsOf({ x: value }, [one(type, settings)])).toEqual([`x: ${demand}`])
  })

  it('a result that is no object is a fault of its own', () => {
    for (const result of [712, 'text', [1]]) expect(faultsOf(result)).toEqual(['result: must be an object'])
  })

  it('of the items of a list and the rows of a table only the first of each kind is named', () => {
    expect(faultsOf({ x: [1, 'a', null, 'b'] }, [one('list', { items: 'number' })])).toEqual([
      'x[1]: must be a number',
    ])
    const columns = [one('number', { name: 'a' }), one('date', { name: 'b' })]
    const rows = [{ a: 1 }, { a: 'x', b: 'y' }, { a: 'x', b: 'y', c: 1 }, { c: 1 }]
    expect(faultsOf({ x: rows }, [one('table', { columns })])).toEqual([
      'x[1].a: must be a number',
      'x[1].b: must be an ISO 8601 date, such as 2026-01-31 or 2026-01-31T09:15:00Z',
      'x[2].c: is not in the definition',
    ])
  })

  it('an amount needs the currency that its definition refers to, in its row or in the result', () => {
    const money = one('money', { currency: 'unit' })
    const fault = 'must have its currency as text in "unit"'
    expect(faultsOf({ x: 1 }, [money])).toEqual([`x: ${fault}`])
    expect(faultsOf({ x: 1, unit: 5 }, [money])).toEqual([`x: ${fault}`])
    expect(faultsOf({ x: 1, unit: 'EUR' }, [money])).toEqual([])
    const table = one('table', { columns: [money] })
    expect(faultsOf({ x: [{ x: 1 }] }, [table])).toEqual([`x[0].x: ${fault}`])
    expect(faultsOf({ x: [{ x: 1, unit: 'EUR' }] }, [table])).toEqual([])
    expect(faultsOf({ x: [{ x: 1 }], unit: 'EUR' }, [one('text', { name: 'unit' }), table])).toEqual([])
  })

  it('the number of all rows of a table is no fault', () => {
    const table = one('table', { columns: [one('number')], total: 'all' })
    expect(faultsOf({ x: [{ x: 1 }], all: 3 }, [table])).toEqual([])
  })

  it('names are given only where they cannot be data, and never values', () => {
    const faults = faultsOf({ 'ali@example.com': 1, '09123456789': 1, other: 1, x: 'secret' }, [
      one('number'),
    ])
    expect(faults).toEqual([
      'x: must be a number',
      '(other name): is not in the definition',
      'other: is not in the definition',
    ])
  })

  it('at most 20 are returned', () => {
    const many = Object.fromEntries(Array.from({ length: 30 }, (_, i) => [`value${i}`, i]))
    expect(faultsOf(many, [one('text')])).toHaveLength(20)
  })
})
