import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createRequestHash, creationTimeOf, isRequestHash } from '../../../core/domain/request-id.ts'
import { T0 } from '../../helpers/record.ts'

const DAY = 86_400_000

describe('a hash', () => {
  it('a request hash has 21 random characters and its creation time in milliseconds', () => {
    fc.assert(
      fc.property(fc.integer({ min: T0, max: Date.UTC(2050, 0, 1) }), (now) => {
        const hash = createRequestHash(now)
        expect(hash).toMatch(/^req_[A-Za-z0-9_-]{29}$/)
        expect(isRequestHash(hash)).toBe(true)
        expect(creationTimeOf(hash, now)).toBe(now)
      }),
    )
  })

  it('request hashes are unique', () => {
    expect(new Set(Array.from({ length: 10_000 }, () => createRequestHash(T0))).size).toBe(10_000)
  })

  it.each(['req_0123456789abcdef', `req_${'x'.repeat(64)}`, 'req_made-elsewhere_by-a-bot'])(
    'a hash of another program such as %s is valid and has no age',
    (hash) => {
      expect(isRequestHash(hash)).toBe(true)
      expect(creationTimeOf(hash, T0)).toBeNull()
    },
  )

  it.each([
    '',
    'req_',
    'req_short',
    `req_${'x'.repeat(65)}`,
    'REQ_0123456789abcdef',
    'req_0123456789abcde\n',
    'req_0123456789abcde/',
    'req_0123456789*abcdef',
    17,
    null,
    undefined,
    {},
  ])('the value %j is no request hash', (invalid) => {
    expect(isRequestHash(invalid)).toBe(false)
  })

  it('a request hash with a creation time in the future or before the first release has no age', () => {
    expect(creationTimeOf(createRequestHash(T0 + 2 * DAY), T0)).toBeNull()
    expect(creationTimeOf(createRequestHash(Date.UTC(2020, 0, 1)), T0)).toBeNull()
  })
})
