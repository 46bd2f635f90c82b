import { describe, expect, it } from 'vitest'
import { parseShortReference, shortReference } from '../../../core/domain/short-reference.ts'
import { aHash } from '../../helpers/record.ts'

describe('a short reference', () => {
  it('has 8 characters that cannot be taken for others, the same ones each time', () => {
    const hash = 'req_abcdefghijklmnopqrstu0mpxyz12'
    expect(shortReference(hash)).toBe(shortReference(hash))
    for (let i = 0; i < 200; i++) expect(shortReference(aHash())).toMatch(/^[0-9A-HJKMNP-TV-Z]{8}$/)
  })

  it('distinguishes as many requests as there can be', () => {
    const hashes = Array.from({ length: 10_000 }, (_, i) => `req_${String(i).padStart(16, '0')}`)
    expect(new Set(hashes.map(shortReference)).size).toBe(hashes.length)
  })

  it('is understood as a person writes it down', () => {
    expect(parseShortReference('k7m2-9qxo')).toBe('K7M29QX0')
    expect(parseShortReference(' il00 0000 ')).toBe('11000000')
    for (const other of ['', 'K7M29QX', 'K7M29QX00', 'K7M29QXU', aHash()])
      expect(parseShortReference(other)).toBeNull()
  })
})
