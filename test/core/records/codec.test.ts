/** Records as JSON. */
import { describe, expect, it } from 'vitest'
import { decodeRecord, encodeNewRecord } from '../../../core/records/codec.ts'
import { aRecord } from '../../helpers/record.ts'
import { creditScoreRating } from '../../helpers/services.ts'

/** A string of Redis in jemalloc's size class of 1,280 bytes, without its header of three bytes and its final NUL. */
const SIZE_CLASS = 1280 - 4

describe('a new record', () => {
  const record = aRecord({
    service: creditScoreRating,
    request_data: { mobile: '09123456789', national_code: '0012345679' },
    submitter: 'x'.repeat(12),
    subject: 'x'.repeat(22),
    session_id: null,
    user_id: null,
  })

  it('reads as it was', () => {
    expect(decodeRecord(encodeNewRecord(record))).toEqual(record)
  })

  it("fits into the size class of Redis' allocator that the memory in PERFORMANCE.md stands for", () => {
    expect(encodeNewRecord(record).length).toBeLessThanOrEqual(SIZE_CLASS)
  })
})
