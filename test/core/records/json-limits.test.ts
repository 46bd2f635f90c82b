/** Limits of JSON, checked without parsing it. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { exceededLimit } from '../../../core/records/json-limits.ts'

const NO_LIMITS = { maxDepth: 1_000_000, maxMembers: 1_000_000, maxValues: 1_000_000 }
const exceeded = (text: string, limits: object) =>
  exceededLimit(Buffer.from(text), { ...NO_LIMITS, ...limits })

interface Size {
  depth: number
  members: number
  values: number
}
/** The same for the parsed value. Empty objects and lists count as if they had a member. */
function sizeOf(value: unknown): Size {
  if (typeof value !== 'object' || value === null) return { depth: 0, members: 0, values: 0 }
  const parts = Object.values(value)
  const sizes = parts.map(sizeOf)
  const count = Math.max(1, parts.length)
  return {
    depth: 1 + Math.max(0, ...sizes.map(({ depth }) => depth)),
    members: Math.max(Array.isArray(value) ? 0 : count, ...sizes.map(({ members }) => members)),
    values: count + sizes.reduce((sum, { values }) => sum + values, 0),
  }
}

describe('the limits of a JSON text', () => {
  it('exceededLimit agrees with the parsed value', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 6 }), fc.constantFrom(undefined, 2), (value, indent) => {
        const text = JSON.stringify(value, null, indent)
        const { depth, members, values } = sizeOf(value)
        expect(exceeded(text, { maxDepth: depth })).toBeNull()
        expect(exceeded(text, { maxValues: values + 1 })).toBeNull()
        expect(exceeded(text, { maxMembers: Math.max(2, members) })).toBeNull()
        if (depth > 0) expect(exceeded(text, { maxDepth: depth - 1 })).toBe('maxDepth')
        if (values > 0) expect(exceeded(text, { maxValues: values })).toBe('maxValues')
        if (members > 2) expect(exceeded(text, { maxMembers: members - 1 })).toBe('maxMembers')
      }),
    )
  })

  it('exceededLimit ignores brackets and commas in strings', () => {
    const text = JSON.stringify({ 'a,[{"': '[[[[{{{{,,,,\\"]]]]', b: '\\' })
    expect(exceeded(text, { maxDepth: 1, maxMembers: 2, maxValues: 3 })).toBeNull()
  })

  it('exceededLimit accepts truncated JSON and surplus closing brackets', () => {
    expect(exceeded('"', { maxDepth: 1 })).toBeNull()
    expect(exceeded('"\\', { maxDepth: 1 })).toBeNull()
    expect(exceeded(`${']'.repeat(10)}[[[`, { maxDepth: 2 })).toBe('maxDepth')
  })
})
